"""One message of every kind, with every field set."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from libs.contracts import accounts, billing, calls, chat, events, models, sources, webhooks
from libs.contracts.message import Message

GOLDEN = Path(__file__).with_name("golden.jsonl")
"""Their recorded wire forms."""
AT = datetime(2026, 1, 23, 10, 0, 0, tzinfo=UTC)
ACCOUNT = accounts.Account(
    id="acc_1", name="Shop", plan="pro", created_at=AT, requests_per_minute=5, requests_per_day=50
)
ACCOUNT_KEY = accounts.AccountKey(
    id="key_1", name="server", key_prefix="sk_abcd…wxyz", created_at=AT, last_used_at=AT
)
USED = chat.SourceUsed(id="src_1", type="qa", title="Hours", relevance=0.98, text="Q\nA")
REQUEST = chat.ChatRequested(
    message_id="msg_1",
    conversation_id="conv_1",
    account_id="acc_1",
    agent=chat.AgentProfile(
        id="agent_1",
        name="Shop",
        instructions="Be kind.",
        temperature=0.5,
        max_tokens=100,
        language="Tagalog",
        answer_threshold=0.6,
        no_answer_text="Ask us.",
        suggestions=2,
    ),
    question="Kailan kayo bukas?",
    history=(chat.Exchange(question="Hi", answer="Hello!", answered="Hello?"),),
    model="extractive",
    credits=1,
    edge="edge_1",
    requested_at=AT,
    fallbacks=(chat.Fallback(model="gpt-5-mini", credits=1),),
)
PASSAGE = chat.Passage(
    source_id="src_1",
    type="qa",
    title="Hours",
    relevance=0.98,
    text="Q\nA",
    question="Q",
    answer="A",
    url="https://shop.example/hours",
)
NOTE = sources.Note(code="hidden_sheet", message="It is hidden.", place="sheet Costs")
ABOUT: dict[str, Any] = {
    "event_id": "evt_1",
    "account_id": "acc_1",
    "agent_id": "agent_1",
    "at": AT,
}
SOURCE: dict[str, Any] = {
    "id": "src_1",
    "agent_id": "agent_1",
    "kind": "qa",
    "title": "Hours",
    "status": "failed",
    "chunks": 1,
    "created_at": AT,
    "updated_at": AT,
    "error": "too long",
    "notes": (NOTE,),
}
SITE = sources.Website(
    url="https://shop.example/",
    crawl=sources.CrawlScope(max_pages=2, include=("/docs",), exclude=("/docs/old",)),
)

ENDPOINT_ID: dict[str, Any] = {"agent_id": "agent_1", "endpoint_id": "wh_1"}
ENDPOINT = webhooks.Endpoint(
    id="wh_1",
    agent_id="agent_1",
    name="CRM",
    endpoint_url="https://crm.example/hook",
    events=("message.sent",),
    description="d",
    custom_headers={"X-Team": "…"},
    secret_key="whsec_…1234",
    created_at=AT,
    disabled=True,
    disabled_reason="failing",
    disabled_at=AT,
    failing_since=AT,
    paused=True,
    previous_secret_until=AT,
)
DELIVERED = webhooks.DeliveryRow(
    id="dlv_1",
    webhook_id="evt_1",
    event="message.sent",
    status="retrying",
    attempts=(
        webhooks.Attempt(
            id="att_1",
            number=1,
            at=AT,
            ms=12,
            status=500,
            problem="p",
            response="no",
            next_attempt_at=AT,
            replay=True,
        ),
    ),
    next_attempt_at=AT,
    test=True,
)

SAMPLES: tuple[Message, ...] = (
    calls.Fault(code="invalid", message="no", param="name"),
    calls.Done(),
    calls.Probe(),
    calls.Health(
        service="rag", dependencies=(calls.Dependency(name="mongo", ok=False, detail="down"),)
    ),
    models.ExamineModel(model="gpt-5.2"),
    models.ModelExamined(ok=False, sentence="Nothing listens."),
    REQUEST,
    chat.ChatGrounded(
        request=REQUEST, passages=(PASSAGE,), confidence=0.95, suggestions=("Where?",)
    ),
    chat.ChatCancelled(message_id="msg_1"),
    chat.Ground(agent_id="agent_1", question="When?", history=REQUEST.history, suggestions=3),
    chat.Grounded(passages=(PASSAGE,), confidence=0.95, suggestions=("Where?",)),
    chat.SourcesFrame(attempt=1, seq=0, sources=(USED,), confidence=0.95),
    chat.TextFrame(attempt=1, seq=1, text="Bukas kami"),
    events.ConversationStarted(conversation_id="conv_1", **ABOUT),
    events.MessageReceived(message_id="msg_1", conversation_id="conv_1", message="Hi", **ABOUT),
    events.MessageSent(
        message_id="msg_1",
        conversation_id="conv_1",
        question="Hi",
        message="Hello!",
        model="extractive",
        credits=1,
        confidence=0.95,
        sources=(USED,),
        finish_reason="stop",
        prompt_tokens=10,
        completion_tokens=2,
        edge="edge_1",
        suggestions=("Where?",),
        answered="Hello?",
        **ABOUT,
    ),
    events.MessageFailed(
        message_id="msg_1",
        conversation_id="conv_1",
        code="timeout",
        message="late",
        edge="edge_1",
        **ABOUT,
    ),
    events.AgentDeleted(**ABOUT),
    events.SourceReady(source_id="src_1", chunks=3, notes=(NOTE,), **ABOUT),
    events.SourceFailed(source_id="src_1", message="too long", notes=(NOTE,), **ABOUT),
    events.ConversationEnded(conversation_id="conv_1", last_message_at=AT, **ABOUT),
    events.FeedbackReceived(
        message_id="msg_1", conversation_id="conv_1", rating="up", comment="Thanks", **ABOUT
    ),
    events.CreditsLow(available=90, threshold=100, **ABOUT),
    events.CreditsExhausted(available=0, **ABOUT),
    events.WebhookDisabled(
        endpoint_id="wh_1",
        name="CRM",
        endpoint_url="https://crm.example/hook",
        reason="failing",
        failing_since=AT,
        **ABOUT,
    ),
    billing.Hold(
        account_id="acc_1",
        agent_id="agent_1",
        conversation_id="conv_1",
        message_id="msg_1",
        model="gpt-5.2",
        fallback_models=("gpt-5-mini",),
    ),
    billing.Held(credits=5, fallback_credits=(1,)),
    billing.Release(account_id="acc_1", message_id="msg_1"),
    billing.Grant(account_id="acc_1", grant_id="grant_1", credits=100, note="gift"),
    billing.GetBalance(account_id="acc_1"),
    billing.Balance(balance=100, held=5, available=95),
    billing.ListLedger(account_id="acc_1", cursor="led_1", limit=10),
    billing.LedgerPage(
        items=(
            billing.LedgerEntry(
                id="led_1",
                kind="debit",
                credits=-5,
                at=AT,
                agent_id="agent_1",
                message_id="msg_1",
                model="gpt-5.2",
                note="n",
            ),
        ),
        next_cursor="led_1",
    ),
    billing.Reconcile(account_id="acc_1"),
    billing.Reconciled(balance=100, ledger=100, entries=3, holds=1, stale_holds=0, settled=True),
    billing.GetUsage(
        account_id="acc_1", since=date(2026, 1, 1), until=date(2026, 1, 31), agent_id="agent_1"
    ),
    billing.Usage(days=(billing.UsageDay(day=date(2026, 1, 23), messages=2, credits=10),)),
    sources.CreateSource(
        source_id="src_1",
        account_id="acc_1",
        agent_id="agent_1",
        kind="qa",
        title="Hours",
        question="Q",
        answer="A",
        text="T",
        file=sources.FileInfo(name="a.pdf", size=1),
        digest="SHA-256=x",
        website=SITE,
    ),
    sources.Source(
        website=SITE,
        pages=sources.SitePages(
            fetched=2,
            known=4,
            skipped=1,
            reasons=(sources.SkippedPage(url="https://shop.example/x", reason="not found"),),
            note="ended at 2 pages",
        ),
        question="Q",
        answer="A",
        text="T",
        file=sources.FileInfo(name="a.pdf", size=1),
        file_id="file_1",
        total_chunks=3,
        version=2,
        **SOURCE,
    ),
    sources.ListSources(agent_id="agent_1", cursor="src_1", limit=10),
    sources.SourcePage(items=(sources.SourceRow(**SOURCE),), next_cursor="src_1"),
    sources.GetSource(agent_id="agent_1", source_id="src_1"),
    sources.UpdateSource(
        agent_id="agent_1",
        source_id="src_1",
        title="Hours",
        question="Q",
        answer="A",
        text="T",
        url="https://shop.example/",
        crawl=SITE.crawl,
        file=sources.FileInfo(name="a.pdf", size=1),
        file_id="file_1",
        digest="SHA-256=x",
    ),
    sources.DeleteSource(agent_id="agent_1", source_id="src_1"),
    sources.SourceSubmitted(agent_id="agent_1", source_id="src_1"),
    sources.SourceCrawl(agent_id="agent_1", source_id="src_1"),
    webhooks.CreateEndpoint(
        account_id="acc_1",
        agent_id="agent_1",
        name="CRM",
        endpoint_url="https://crm.example/hook",
        events=("message.sent",),
        description="d",
        custom_headers={"X-Team": "a"},
    ),
    webhooks.EndpointCreated(id="wh_1", secret_key="whsec_1"),
    webhooks.ListEndpoints(agent_id="agent_1"),
    webhooks.Endpoints(items=(ENDPOINT,)),
    webhooks.GetEndpoint(**ENDPOINT_ID),
    webhooks.EndpointFound(endpoint=ENDPOINT),
    webhooks.UpdateEndpoint(
        **ENDPOINT_ID,
        name="CRM",
        endpoint_url="https://crm.example/hook",
        events=("message.sent",),
        description="d",
        custom_headers={"X-Team": "a"},
    ),
    webhooks.DeleteEndpoint(**ENDPOINT_ID),
    webhooks.PauseEndpoint(**ENDPOINT_ID),
    webhooks.ResumeEndpoint(**ENDPOINT_ID),
    webhooks.RotateSecret(**ENDPOINT_ID, overlap=60),
    webhooks.SecretRotated(secret_key="whsec_2", previous_secret_until=AT),
    webhooks.SendTest(**ENDPOINT_ID, event="message.sent"),
    webhooks.DeliveryQueued(delivery_id="dlv_1"),
    webhooks.ListDeliveries(**ENDPOINT_ID, status="failed", cursor="dlv_1", limit=10),
    webhooks.DeliveryPage(items=(DELIVERED,), next_cursor="dlv_1"),
    webhooks.GetDelivery(**ENDPOINT_ID, delivery_id="dlv_1"),
    webhooks.DeliveryFound(delivery=DELIVERED, body="{}"),
    webhooks.ReplayDelivery(**ENDPOINT_ID, delivery_id="dlv_1"),
    webhooks.ReplayFailed(**ENDPOINT_ID, since=AT),
    webhooks.Replay(
        **ENDPOINT_ID, replay_id="rpl_1", statuses=("failed",), first="dlv_1", last="dlv_2"
    ),
    webhooks.Delivery(
        webhook_id="evt_1",
        endpoint_id="wh_1",
        agent_id="agent_1",
        event="message.sent",
        body="{}",
        attempt=2,
        not_before=AT,
        delivery_id="dlv_1",
        replay_id="rpl_1",
        test=True,
    ),
    accounts.CreateAccount(name="Shop", plan="pro", credits=100),
    accounts.AccountCreated(account=ACCOUNT, secret_key="sk_1"),
    accounts.ListAccounts(cursor="acc_1", limit=10),
    accounts.AccountPage(items=(ACCOUNT,), next_cursor="acc_1"),
    accounts.SetPlan(account_id="acc_1", plan="pro", requests_per_minute=5, requests_per_day=50),
    accounts.AccountChanged(account=ACCOUNT),
    accounts.GetAccount(account_id="acc_1"),
    accounts.ListAccountKeys(account_id="acc_1"),
    accounts.AccountKeys(items=(ACCOUNT_KEY,)),
    accounts.CreateAccountKey(account_id="acc_1", name="server"),
    accounts.AccountKeyCreated(key=ACCOUNT_KEY, secret_key="sk_1"),
    accounts.RevokeAccountKey(account_id="acc_1", key_id="key_1"),
    accounts.CacheInvalidated(ids=("key_1",)),
)
