"""What comes back to the edge for one message, on `chat.replies.<edge>.<message_id>`.

From a worker: SourcesFrame, then TextFrames as the text comes. Last, from the api process that has
stored it: the outcome, MessageSent or MessageFailed, as it is on the event log. So an end is only
ever announced when it is stored.
"""

from libs.contracts.chat import SourcesFrame, TextFrame
from libs.contracts.events import MessageFailed, MessageSent

AnyReply = SourcesFrame | TextFrame | MessageSent | MessageFailed
