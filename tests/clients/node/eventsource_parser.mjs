// eventsource-parser, which many other libraries are made of, over fetch.
import {EventSourceParserStream} from 'eventsource-parser/stream';
import {body, chat, headers, print, take} from './asked.mjs';

const response = await fetch(chat, {method: 'POST', headers, body});
const events = response.body
  .pipeThrough(new TextDecoderStream())
  .pipeThrough(new EventSourceParserStream());
for await (const event of events) take(event.event, event.data);
print();
