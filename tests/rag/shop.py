"""A small business that the calibration was not fitted to: what it knows and what it is asked."""

from typing import Any

from libs.contracts.sources import CreateSource, SourceType
from libs.runtime.ids import new_id


def _source(kind: SourceType, title: str, **content: Any) -> CreateSource:
    return CreateSource(
        source_id=new_id("src"), account_id="acc", agent_id="", kind=kind, title=title, **content
    )


def _qa(title: str, question: str, answer: str) -> CreateSource:
    return _source("qa", title, question=question, answer=answer)


SOURCES = (
    _qa(
        "Business Hours",
        "What are your business hours?",
        "We're open Monday-Saturday, 9AM to 6PM. Closed on Sundays and holidays!",
    ),
    _qa(
        "Products",
        "What products do you offer?",
        "We carry paint, hand tools, nails and screws, plywood, and plumbing and electrical parts.",
    ),
    _qa(
        "Delivery",
        "Do you deliver?",
        "Yes, anywhere in Marikina. Delivery is 150 pesos, free from 3,000 pesos on.",
    ),
    _qa(
        "Returns",
        "Can I return something I bought?",
        "Unused items can be returned within 7 days with the receipt. Mixed paint can't.",
    ),
    _qa("Location", "Where is your store?", "34 J.P. Rizal Street, Marikina, beside the bridge."),
    _qa("Payment", "How can I pay?", "Cash, GCash, Maya, and all major credit cards."),
    _qa(
        "Pagpapahiram ng tools",
        "Nagpapahiram ba kayo ng tools?",
        "Oo, puwedeng umarkila ng drill at grinder sa halagang 300 pesos bawat araw.",
    ),
    _qa(
        "Paghahalo ng pintura",
        "Puwede bang magpahalo ng kulay ng pintura?",
        "Oo, libre ang paghahalo ng kulay. Dalhin lang ang sample.",
    ),
    _source(
        "text",
        "About us",
        text="Mang Ben's Hardware was opened by Benito Cruz in 1986. Three generations of the "
        "family work in the store.\n\nWe give every apprentice of the barangay's training "
        "programme a set of tools.",
    ),
)

ANSWERED = (
    ("Hello, what are your business hours?", "Business Hours"),
    ("what time do you open?", "Business Hours"),
    ("Hi! What time do you close on weekdays?", "Business Hours"),
    ("Good morning, are you open on Saturday?", "Business Hours"),
    ("opening hours", "Business Hours"),
    ("kailan kayo bukas?", "Business Hours"),
    ("Anong oras po kayo nagbubukas?", "Business Hours"),
    ("bukas ba kayo ngayon", "Business Hours"),
    ("What products do you offer?", "Products"),
    ("Hello po, what do you sell in your store?", "Products"),
    ("how much is delivery", "Delivery"),
    ("Hi, can you deliver to my house?", "Delivery"),
    ("magkano po ang delivery?", "Delivery"),
    ("I want to return a hammer", "Returns"),
    ("Hey there, what is your return policy?", "Returns"),
    ("where are you located?", "Location"),
    ("saan po ang store niyo?", "Location"),
    ("do you accept gcash", "Payment"),
    ("paano po magbayad?", "Payment"),
    ("Can I rent a drill?", "Pagpapahiram ng tools"),
    ("Who opened the hardware store?", "About us"),
)

NOT_ANSWERED = (
    "Who won the 2018 world cup?",
    "What is the capital of France?",
    "Can you write me a poem about the sea?",
    "Do you sell insurance?",
    "Hello, who is the president of Brazil?",
    "What is the square root of 144?",
    "Tell me a joke about cats",
    "How do I bake sourdough bread?",
    "Sino ang sumulat ng Noli Me Tangere?",
    "Which planet is the largest?",
    "Translate thank you into German",
    "How many people live in Tokyo?",
    "What are the symptoms of the flu?",
    "Hello",
)
