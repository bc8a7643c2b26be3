"use strict";
const place = document.getElementById("api");
if (place.dataset.kind === "docs") {
  SwaggerUIBundle({
    domNode: place,
    url: "/openapi.json",
    deepLinking: true,
    supportedSubmitMethods: ["get"],
    validatorUrl: null,
  });
} else {
  Redoc.init("/openapi.json", {}, place);
}
