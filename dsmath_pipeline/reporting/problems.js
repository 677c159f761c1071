"use strict";
(() => {
  const problems = JSON.parse(document.getElementById("data").textContent);
  const models = [...new Set(problems.flatMap((p) => Object.keys(p.attempts)))];
  const PAGE = 40;
  let shown = PAGE;

  const element = (name, kind, text) => {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  // Filters ---------------------------------------------------------------------------------------------------------
  const form = document.getElementById("filters");
  const select = (label, options) => {
    const box = element("label", "", label);
    const made = element("select");
    for (const [value, text] of options) {
      const option = element("option", "", text);
      option.value = value;
      made.append(option);
    }
    box.append(made);
    form.append(box);
    made.addEventListener("change", restart);
    return made;
  };
  const values = (name) => [...new Set(problems.map((p) => p[name]).filter(Boolean))].sort();
  const listed = (name, every) => [["", every], ...values(name).map((v) => [v, v.replaceAll("_", " ")])];
  const benchmark = select("Benchmark", listed("benchmark", "all"));
  const subject = select("Subject", listed("subject", "all"));
  const level = select("Level", listed("level", "all"));
  const model = select("Model", [["", "any"], ...models.map((m) => [m, m])]);
  const verdicts = [...new Set(problems.flatMap((p) => Object.values(p.attempts).map((a) => a.verdict)))]
    .filter((v) => v && v !== "correct" && v !== "accepted").sort();
  const grade = select("Grade", [["", "all"], ["right", "right"], ["not right", "not right"],
    ...verdicts.map((v) => [`=${v}`, v]), ...(models.length > 1 ? [["differ", "models differ"]] : [])]);
  const box = element("label", "", "Text");
  const words = element("input");
  words.type = "search";
  words.placeholder = "in problem or solution";
  box.append(words);
  form.append(box);
  words.addEventListener("input", restart);
  for (const [name, made] of [["subject", subject], ["level", level]]) {
    if (!values(name).length) made.parentElement.hidden = true;
  }

  const isGrade = (p) => {
    const attempts = Object.entries(p.attempts).filter(([m]) => !model.value || m === model.value).map(([, a]) => a);
    if (!grade.value) return attempts.length > 0;
    if (grade.value === "differ") return new Set(Object.values(p.attempts).map((a) => a.grade)).size > 1;
    if (grade.value === "right") return attempts.some((a) => a.grade);
    if (grade.value === "not right") return attempts.some((a) => !a.grade);
    return attempts.some((a) => `=${a.verdict}` === grade.value);
  };
  const holds = (p, text) => !text || p.problem.toLowerCase().includes(text) || p.id.toLowerCase().includes(text)
    || Object.values(p.attempts).some((a) => (a.pieces || []).some(([, t]) => t.toLowerCase().includes(text)));
  const chosen = () => problems.filter((p) => (!benchmark.value || p.benchmark === benchmark.value)
    && (!subject.value || p.subject === subject.value) && (!level.value || p.level === level.value)
    && isGrade(p) && holds(p, words.value.trim().toLowerCase()));

  // Cards -----------------------------------------------------------------------------------------------------------
  const attempt = (name, a) => {
    const cell = element("div");
    const head = element("div");
    head.append(`${name}: `);
    if (a.verdict) head.append(element("span", `grade ${a.grade ? "right" : "wrong"}`, a.grade ? "right" : a.verdict));
    const about = [a.answer && `answer ${a.answer}`, a.rule && `by ${a.rule.replaceAll("_", " ")}`,
      a.program && `program ${a.program}`, a.finish === "length" && "cut off"].filter(Boolean).join(" · ");
    head.append(element("span", "soft", ` ${about}`));
    cell.append(head);
    for (const [kind, text] of a.pieces || []) {
      if (kind !== "text") cell.append(element("div", "piece", kind));
      cell.append(element("pre", kind, text));
    }
    if (a.samples.length) {
      const right = a.samples.filter(([, g]) => g).length;
      const fold = element("details");
      fold.append(element("summary", "", `${right} of ${a.samples.length} samples right`));
      for (const [answer, g] of a.samples) {
        fold.append(element("span", `grade ${g ? "right" : "wrong"}`, answer || "no answer"), " ");
      }
      cell.append(fold);
    }
    return cell;
  };
  const card = (p) => {
    const made = element("div", "problem");
    const place = [p.benchmark, p.id, p.subject.replaceAll("_", " "), p.level].filter(Boolean).join(" · ");
    made.append(element("div", "soft", place), element("div", "question", p.problem),
      element("div", "soft", `Reference: ${p.reference}`));
    const answers = element("div", "answers");
    for (const [name, a] of Object.entries(p.attempts)) {
      if (!model.value || name === model.value) answers.append(attempt(name, a));
    }
    made.append(answers);
    return made;
  };

  const draw = () => {
    const some = chosen();
    document.getElementById("problems").replaceChildren(...some.slice(0, shown).map(card));
    document.getElementById("count").textContent =
      `${some.length.toLocaleString("en")} of ${problems.length.toLocaleString("en")} problems`;
    document.getElementById("more").hidden = some.length <= shown;
  };
  function restart() {
    shown = PAGE;
    draw();
  }
  document.getElementById("more").addEventListener("click", () => {
    shown += PAGE;
    draw();
  });
  draw();
})();
