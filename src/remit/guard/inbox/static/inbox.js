// Passkeys, the secret of an invitation, and lists that stay up to date. All else works without.
"use strict";

const LIVE_MS = 3000;

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));

function asked(options) {
  return {
    challenge: bytes(options.challenge),
    rpId: options.rpId,
    timeout: options.timeout,
    userVerification: "required",
    allowCredentials: options.allow.map((id) => ({ type: "public-key", id: bytes(id) })),
  };
}

function wanted(options) {
  return {
    challenge: bytes(options.challenge),
    timeout: options.timeout,
    rp: { id: options.rpId, name: options.rpName },
    user: { id: bytes(options.userHandle), name: options.user, displayName: options.name },
    pubKeyCredParams: [{ type: "public-key", alg: -7 }],
    authenticatorSelection: {
      residentKey: "required",
      requireResidentKey: true,
      userVerification: "required",
    },
    attestation: "none",
  };
}

async function answer(form) {
  const options = JSON.parse(form.dataset.options);
  const making = form.dataset.passkey === "create";
  const found = making
    ? await navigator.credentials.create({ publicKey: wanted(options) })
    : await navigator.credentials.get({ publicKey: asked(options) });
  const response = found.response;
  form.elements.credential.value = text(found.rawId);
  form.elements.client.value = text(response.clientDataJSON);
  form.elements.authenticator.value = text(
    making ? response.getAuthenticatorData() : response.authenticatorData,
  );
  form.elements.signature.value = making ? "" : text(response.signature);
}

function complain(form, message) {
  const place = form.querySelector("[role=alert]");
  place.textContent = message;
  place.hidden = false;
}

// Pages come with these buttons disabled: a form must not go out before it can be filled in.
function ready(form) {
  const button = form.querySelector("button");
  button.disabled = false;
  button.focus();
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    if (!window.PublicKeyCredential) {
      complain(form, "This browser has no passkeys here: they need HTTPS, or localhost.");
      return;
    }
    button.disabled = true;
    try {
      await answer(form);
      form.submit();
    } catch (error) {
      complain(form, `The passkey was not used (${error.name}). Try again, or load the page again.`);
      ready(form);
    }
  });
  ready(form);
}

for (const form of document.querySelectorAll("form[data-invitation]")) {
  const token = location.hash.slice(1);
  form.elements.token.value = token;
  // The secret does not stay in the history.
  history.replaceState(null, "", location.pathname);
  if (!token) {
    complain(form, "The link has no secret: copy all of it.");
  }
  ready(form);
}

const live = document.querySelector("[data-live]");

async function refresh() {
  if (document.hidden) {
    return;
  }
  try {
    const found = await fetch(location.href, { headers: { "x-remit-live": "1" } });
    const page = new DOMParser().parseFromString(await found.text(), "text/html");
    const fresh = page.querySelector("[data-live]");
    if (!found.ok || !fresh || found.redirected) {
      location.reload();
      return;
    }
    if (fresh.innerHTML !== live.innerHTML) {
      const focused = live.contains(document.activeElement) ? document.activeElement.id : "";
      live.replaceChildren(...fresh.childNodes);
      if (focused) {
        document.getElementById(focused)?.focus();
      }
    }
  } catch {
    // Guard is away for a moment; the next round tells.
  }
}

if (live) {
  setInterval(refresh, LIVE_MS);
}
