// The two libraries that are an EventSource with headers: they can only GET, so a message is sent
// first, and its answer read at its stream. They reconnect at every end, until they are told no.
import {createRequire} from 'node:module';
import {body, chat, given, headers, print, take} from './asked.mjs';

globalThis.window = globalThis;
const authorization = {Authorization: headers.Authorization};
let requests = 0;
const counting = (url, init) => {
  requests += 1;
  return fetch(url, init);
};

async function open(url) {
  if (given.use === 'eventsource') {
    const {EventSource} = await import('eventsource');
    const fetch = (at, init) => counting(at, {...init, headers: {...init.headers, ...authorization}});
    return new EventSource(url, {fetch});
  }
  const {EventSourcePolyfill} = createRequire(import.meta.url)('event-source-polyfill');
  return new EventSourcePolyfill(url, {headers: authorization});
}

const sent = await fetch(chat, {method: 'POST', headers, body});
const id = sent.headers.get('x-message-id');
await sent.body.cancel();
const source = await open(`${given.url}/v1/messages/${id}/stream`);
for (const name of ['sources', 'text', 'reset', 'done']) {
  source.addEventListener(name, (event) => take(name, event.data));
}
source.addEventListener('error', () => {
  if (source.readyState !== 2) return; // it reconnects
  print({requests});
});
