// Shows an OpenAPI document by Swagger UI.
"use strict";

const place = document.getElementById("swagger");
const dark = matchMedia("(prefers-color-scheme: dark)");
const setScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
setScheme();
dark.addEventListener("change", setScheme);

// Swagger UI nests <main>, and its headings start at the third and, of schemas, at the fourth level.
function mend() {
  for (const part of place.querySelectorAll("main")) {
    part.setAttribute("role", "region");
    part.setAttribute("aria-label", "Operations");
  }
  for (const heading of place.querySelectorAll("h3.opblock-tag, .models h4")) heading.setAttribute("aria-level", "2");
}

SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  deepLinking: false, // its links are within buttons, which assistive technology cannot reach
  onComplete: () => setTimeout(mend),
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  queryConfigEnabled: false,
});
