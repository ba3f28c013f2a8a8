// The official Node SDK, unmodified, against a running gateway. Prints what happened as one JSON document.
"use strict";

const twilio = require("twilio");

const env = process.env;
const client = twilio(env.STORY_ACCOUNT_SID, env.STORY_AUTH_TOKEN);
client.api.baseUrl = env.STORY_BASE_URL;
const authorization = "Basic " + Buffer.from(`${env.STORY_ACCOUNT_SID}:${env.STORY_AUTH_TOKEN}`).toString("base64");

async function ours(method, path, body) {
  const headers = { authorization, "content-type": "application/json" };
  const answer = await fetch(env.STORY_BASE_URL + path, { method, headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
}

async function errorOf(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return { name: error.constructor.name, status: error.status, code: error.code, moreInfo: error.moreInfo };
  }
}

async function delivered(sid) {
  for (let i = 0; i < 500; i++) {
    const found = await client.messages(sid).fetch();
    if (found.status === "delivered") return found;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error(`${sid} was not delivered`);
}

async function story() {
  const { STORY_SENDER: sender, STORY_FROM: from, STORY_TO: to } = env;
  const told = {};

  const made = await client.messages.create({ to, from, body: "Hello from Node" });
  told.created = { status: made.status, to: made.to, from: made.from, year: made.dateCreated.getUTCFullYear() };
  told.fetched = (await delivered(made.sid)).body;

  for (const body of ["two", "three", "four", "five"]) await client.messages.create({ to, from, body });
  told.listed = (await client.messages.list({ to, pageSize: 2 })).map((message) => message.body);
  told.limited = (await client.messages.list({ from, to, limit: 3, pageSize: 2 })).length;
  const first = await client.messages.page({ to, pageSize: 2 });
  told.secondPage = (await first.nextPage()).instances.map((message) => message.body);

  await ours("PATCH", `/v1/senders/${sender}`, { paused: true });
  const waiting = await client.messages.create({ to, from, body: "Too early" });
  told.cancelled = (await client.messages(waiting.sid).update({ status: "canceled" })).status;
  await ours("PATCH", `/v1/senders/${sender}`, { paused: false });

  told.redacted = (await client.messages(made.sid).update({ body: "" })).body;
  told.deleted = await client.messages(made.sid).remove();
  told.gone = await errorOf(client.messages(made.sid).fetch());

  await ours("POST", "/v1/simulator/inbound", { sender, from: to, text: "STOP" });
  told.stopped = await errorOf(client.messages.create({ to, from, body: "Hello?" }));

  const stranger = twilio(env.STORY_ACCOUNT_SID, "0".repeat(32));
  stranger.api.baseUrl = env.STORY_BASE_URL;
  told.stranger = await errorOf(stranger.messages.create({ to, from, body: "Hello" }));
  return told;
}

function callbacks() {
  return JSON.parse(env.STORY_CALLBACKS).map(({ signature, url, fields }) => ({
    good: twilio.validateRequest(env.STORY_AUTH_TOKEN, signature, url, fields),
    forged: twilio.validateRequest(env.STORY_AUTH_TOKEN, signature, url, { ...fields, Body: "other words" }),
  }));
}

const run = env.STORY_CALLBACKS ? async () => callbacks() : story;
run().then(
  (told) => console.log(JSON.stringify(told)),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
