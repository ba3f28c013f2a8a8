from tests.sdk.gateway import Gateway, until
from tests.sdk.receiver import Receiver
def test_order(gateway: Gateway, receiver: Receiver):
    line = gateway.lines["sms"]
    sids=[gateway.send(line, gateway.opted_in(line), StatusCallback=receiver.base+"/s")["sid"] for _ in range(300)]
    seen = receiver.wait("/s", 600)
    bad=0
    for sid in sids:
        order=[e.fields["MessageStatus"] for e in seen if e.fields["MessageSid"]==sid]
        bad += order!=["sent","delivered"]
    assert bad==0, bad
