(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("js");

  document.querySelectorAll("[data-speak]").forEach(function (button) {
    button.addEventListener("click", function () {
      root.lang = root.dataset.language = button.dataset.speak;
      document.querySelectorAll("[data-speak]").forEach(function (each) {
        each.setAttribute("aria-pressed", String(each === button));
      });
    });
  });

  /* An incident: a tool that was looked at adds its fact; the place is accepted when something seen proves it. */
  document.querySelectorAll(".case").forEach(function (incident) {
    var facts = incident.querySelector(".facts"), verdict = incident.querySelector(".verdict");
    var looked = new Set(), wrong = 0;

    function proven() {
      return Array.from(looked).some(function (tool) { return tool.dataset.decides === "yes"; });
    }

    incident.querySelectorAll(".tool").forEach(function (tool) {
      tool.addEventListener("toggle", function () {
        if (!tool.open || looked.has(tool)) { return; }
        looked.add(tool);
        var fact = document.createElement("li");
        fact.append.apply(fact, Array.from(tool.querySelector(".fact").cloneNode(true).childNodes));
        facts.append(fact);
      });
    });
    incident.querySelectorAll(".place").forEach(function (place) {
      var right = place.dataset.right === "yes";
      place.querySelector("summary").addEventListener("click", function (event) {
        if (place.open) { return; }
        if (right && !proven()) {
          event.preventDefault();
          verdict.textContent = verdict.dataset.unproven;
          return;
        }
        place.classList.add(right ? "right" : "wrong");
        if (!right) { wrong += 1; }
        verdict.textContent = right
          ? verdict.dataset.solved.replace("{tools}", looked.size).replace("{wrong}", wrong)
          : verdict.dataset.wrong;
        if (right) { incident.querySelector(".solution").classList.remove("locked"); }
      });
    });
  });
})();
