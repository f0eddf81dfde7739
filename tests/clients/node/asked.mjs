// What every program here is given, and what it prints: the text and the names of the events.
export const given = JSON.parse(process.argv[2]);
export const chat = `${given.url}/v1/agents/${given.agent}/chat`;
export const headers = {
  Authorization: `Bearer ${given.key}`,
  'Content-Type': 'application/json',
  ...given.headers,
};
export const body = JSON.stringify({message: given.message, stream: true});

const events = [];
let text = '';

// As pages do it: every event has JSON; one that has none throws.
export function take(name, json) {
  const data = JSON.parse(json);
  events.push(name);
  if (name === 'text') text += data.text;
  if (name === 'reset') text = '';
}

export function print(more = {}) {
  console.log(JSON.stringify({text, events, ...more}));
}
