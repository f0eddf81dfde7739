// The loop of the API's own documentation, word for word from `const reader` on.
import {body, chat, headers} from './asked.mjs';

const response = await fetch(chat, {method: 'POST', headers, body});

const reader = response.body.getReader();
const decoder = new TextDecoder();

while (true) {
  const { done, value } = await reader.read();
  if (done) break;
  const chunk = decoder.decode(value);
  process.stdout.write(chunk);
}
