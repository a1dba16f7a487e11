// Opens PortOne's window, and hands its billing key to this page's own address. On phones the window takes the whole
// page, and comes back with its answer in the address.
"use strict";

const form = document.getElementById("card");
const button = document.getElementById("add");
const said = document.getElementById("said");

function say(text, kind) {
  said.textContent = text;
  said.className = kind;
}

async function give(billingKey) {
  let answer;
  try {
    answer = await fetch(location.pathname, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ billing_key: billingKey }),
    });
  } catch {
    return say(form.dataset.later, "problem");
  }
  if (answer.ok) {
    form.remove();
    return say(form.dataset.done, "done");
  }
  say(answer.status === 422 ? form.dataset.refused : form.dataset.later, "problem");
}

// PortOne's answer, from its window or from the address: a key, or why there is none.
async function take(answer) {
  if (answer.code || !answer.billingKey) {
    return say(answer.message ? `${form.dataset.stopped} (${answer.message})` : form.dataset.stopped, "problem");
  }
  await give(answer.billingKey);
}

function value(name) {
  const field = document.getElementById(name);
  return field ? field.value : undefined;
}

function request() {
  const { store, channel, method, customer, shop, locale } = form.dataset;
  return {
    storeId: store,
    channelKey: channel,
    billingKeyMethod: method,
    // Letters and digits, and another one each time: some payment gateways take no less.
    issueId: crypto.getRandomValues(new Uint32Array(4)).reduce((id, part) => id + part.toString(36), ""),
    issueName: shop,
    customer: { customerId: customer, fullName: value("name"), phoneNumber: value("phone"), email: value("email") },
    locale,
    redirectUrl: location.origin + location.pathname,
  };
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  say(form.dataset.waiting, "");
  try {
    await take(await window.PortOne.requestIssueBillingKey(request()));
  } catch (error) {
    say(`${form.dataset.stopped} (${error.message})`, "problem");
  } finally {
    button.disabled = false;
  }
});

const answered = Object.fromEntries(new URLSearchParams(location.search));
if (answered.billingKey || answered.code) {
  // A key does not stay in the address.
  history.replaceState(null, "", location.pathname);
  say(form.dataset.waiting, "");
  take(answered);
}
