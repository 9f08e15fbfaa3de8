// Looks a repository up as soon as its address, a branch or a notebook was chosen. The server renders the answer.
"use strict";

const form = document.querySelector("form.stacked");
const button = document.getElementById("look-up");
const says = document.getElementById("lookup-status");
const asked = ["repository", "checkout", "process", "parameters_cell", "kernel", "language", "env", "offered[]"];
let current = null;

async function lookUp() {
  current?.abort();
  const own = (current = new AbortController());
  if (!form.elements.repository.value.trim()) return;
  says.textContent = "Looking up…";
  try {
    const body = new URLSearchParams(new FormData(form));
    const answer = await fetch(button.formAction, { method: "POST", body, signal: own.signal });
    if (!answer.ok || answer.redirected) throw new Error(`${answer.status}`);
    show(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    if (!own.signal.aborted) says.textContent = "Not looked up; the fields work all the same.";
  }
}

function show(fresh) {
  const focused = document.activeElement?.id;
  const part = document.adoptNode(fresh.getElementById("lookup"));
  const scrolled = document.querySelector("#lookup .choices")?.scrollTop ?? 0;
  document.getElementById("lookup").replaceWith(part);
  const choices = part.querySelector(".choices");
  if (choices) choices.scrollTop = scrolled;
  const typed = document.getElementById("field-process");
  if (typed && typed !== document.activeElement) typed.value = fresh.getElementById("field-process").value;
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  says.textContent = part.dataset.summary ?? "";
}

if (button) {
  form.addEventListener("change", (event) => {
    if (asked.includes(event.target.name)) lookUp();
  });
  button.addEventListener("click", (event) => {
    event.preventDefault();
    lookUp();
  });
  if (form.elements.repository.value) lookUp();
}
