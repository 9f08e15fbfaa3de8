// Formats times in the reader's locale.
"use strict";

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

function ago(date) {
  const seconds = (date - Date.now()) / 1000;
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit);
  }
  return relative.format(Math.round(seconds), "second");
}

function writeTimes(top) {
  for (const time of top.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    time.title = date.toLocaleString();
    time.textContent = ago(date);
  }
}

writeTimes(document);
