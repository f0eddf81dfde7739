// @microsoft/fetch-event-source, unchanged. What it takes from a page are a document that can be
// hidden and a window with timers; `options` says how it is used:
//   plain    nothing but onmessage
//   readme   the retries of its own README, which trust only one exact Content-Type and take every
//            end of a response for a broken connection
//   hidden   plain, and the tab is hidden for a moment after the first text
import {createRequire} from 'node:module';
import {body, chat, given, headers, print, take} from './asked.mjs';

globalThis.window = globalThis;
globalThis.document = Object.assign(new EventTarget(), {hidden: false});
const {EventStreamContentType, fetchEventSource} = createRequire(import.meta.url)(
  '@microsoft/fetch-event-source',
);

class FatalError extends Error {}

function hide(hidden) {
  document.hidden = hidden;
  document.dispatchEvent(new Event('visibilitychange'));
}

let requests = 0;
let hidden = false;
const statuses = [];
const use = {
  plain: {},
  readme: {
    async onopen(response) {
      statuses.push(response.status);
      if (response.ok && response.headers.get('content-type') === EventStreamContentType) return;
      if (response.status >= 400 && response.status < 500 && response.status !== 429) {
        throw new FatalError(response.status);
      }
      throw new Error('again');
    },
    onclose() {
      throw new Error('again');
    },
    onerror(error) {
      if (error instanceof FatalError) throw error;
    },
  },
  hidden: {},
}[given.use];

try {
  await fetchEventSource(chat, {
    method: 'POST',
    headers,
    body,
    fetch: (...request) => {
      requests += 1;
      return fetch(...request);
    },
    onmessage(event) {
      take(event.event, event.data);
      if (given.use === 'hidden' && !hidden && event.event === 'text') {
        hidden = true;
        hide(true);
        setTimeout(() => hide(false), 50);
      }
    },
    ...use,
  });
} catch (error) {
  if (!(error instanceof FatalError)) throw error;
}
print({requests, statuses});
