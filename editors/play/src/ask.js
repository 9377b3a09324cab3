// Questions to the core: at the server that this page is from, or in a worker of this page where it was exported.
const page = crypto.getRandomValues(new Uint32Array(4)).join("-");

export const exported = "core" in document.documentElement.dataset;

export const ask = exported ? asking() : async (name, question = {}) => {
  const answer = await fetch(name, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ page, ...question }),
  });
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer.json();
};

function asking() {
  const file = "core.js", policy = globalThis.trustedTypes?.createPolicy("core", { createScriptURL: () => file });
  const worker = new Worker(policy?.createScriptURL(file) ?? file, { type: "module" });
  const asked = new Map(); // by number: what the answer settles
  let last = 0;
  worker.onmessage = ({ data: { number, answer, error } }) => {
    const { resolve, reject } = asked.get(number);
    asked.delete(number);
    if (error) reject(new Error(error));
    else resolve(JSON.parse(answer));
  };
  worker.onerror = (event) => {
    event.preventDefault();
    for (const { reject } of asked.values()) reject(new Error(`The core does not start: ${event.message ?? `${file} cannot be read`}`));
    asked.clear();
  };
  return (name, question = {}) => new Promise((resolve, reject) => {
    asked.set((last += 1), { resolve, reject });
    worker.postMessage({ number: last, name, question: JSON.stringify({ page, ...question }) });
  });
}
