"""The work of renewd as the plainest job does it: a loop over who is due, one after another.

Each is looked at anew, charged, looked up and written down before the next one's turn comes.
"""

import json
import os
import sys

import psycopg
import requests

BASE = os.environ["PORTONE_API_BASE"]
HEADERS = {"Authorization": "PortOne simulator-secret", "Content-Type": "application/json"}
STORE = "store-simulator"


def main():
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        due = database.execute("SELECT id FROM renewals WHERE state = 'due' ORDER BY id").fetchall()
        for (renewal,) in due:
            renew(database, renewal)


def renew(database, renewal):
    payment_id, subscription, billing_key, amount = database.execute(
        """SELECT r.payment_id, s.id, s.billing_key, s.amount
        FROM renewals r JOIN subscriptions s ON s.id = r.subscription_id
        WHERE r.id = %s AND r.state = 'due' FOR UPDATE OF r""",
        (renewal,),
    ).fetchone()
    key = f"attempt-{renewal}-1-idempotency"
    body = json.dumps({
        "storeId": STORE,
        "billingKey": billing_key,
        "orderName": "Pro",
        "amount": {"total": amount},
        "currency": "KRW",
        "customer": {"id": subscription},
    })
    intend(database, renewal, key, body)
    settle(database, renewal, subscription, charge(payment_id, key, body))


def intend(database, renewal, key, body):
    database.execute("UPDATE renewals SET state = 'charging' WHERE id = %s", (renewal,))
    database.execute(
        """INSERT INTO attempts (renewal_id, number, idempotency_key, request_body, state, started_at)
        VALUES (%s, 1, %s, %s, 'open', now())""",
        (renewal, key, body),
    )
    database.commit()


def charge(payment_id, key, body):
    """The transaction, once the look-up says that it is paid. No session is kept: each request connects anew."""
    payment = f"{BASE}/payments/{payment_id}"
    once = HEADERS | {"Idempotency-Key": f'"{key}"'}
    answer = requests.post(f"{payment}/billing-key", data=body, headers=once, timeout=60)
    answer.raise_for_status()
    answer = requests.get(payment, params={"storeId": STORE}, headers=HEADERS, timeout=60)
    answer.raise_for_status()
    seen = answer.json()
    if seen["status"] != "PAID":
        sys.exit(f"{payment_id} is {seen['status']}, and not paid")
    return seen["transactionId"]


def settle(database, renewal, subscription, transaction):
    database.execute(
        """UPDATE attempts SET state = 'paid', transaction_id = %s, settled_at = now()
        WHERE renewal_id = %s AND number = 1""",
        (transaction, renewal),
    )
    database.execute("UPDATE renewals SET state = 'paid' WHERE id = %s", (renewal,))
    database.execute(
        "UPDATE subscriptions SET period_end = period_end + interval '1 month' WHERE id = %s", (subscription,)
    )
    database.execute(
        """INSERT INTO events (kind, renewal_id, payload, created_at)
        VALUES ('renewal.paid', %s, jsonb_build_object('renewal', %s::bigint, 'subscription', %s::text), now())""",
        (renewal, renewal, subscription),
    )
    database.commit()


if __name__ == "__main__":
    main()
