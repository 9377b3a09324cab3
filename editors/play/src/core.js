// The core of an exported page: Python in a worker, which answers what the page asks as the server of `archspec play` would.
const file = (name) => new URL(name, import.meta.url).href;

async function read(name) {
  const answer = await fetch(file(name));
  if (!answer.ok) throw new Error(`${name} cannot be read (${answer.status})`);
  return answer;
}

async function start() {
  const { loadPyodide } = await import(file("pyodide/pyodide.mjs"));
  const opened = read("opened.json").then((answer) => answer.text());
  const wheels = read("wheels.json").then((answer) => answer.json())
    .then((names) => Promise.all(names.map(async (name) => (await read(`wheels/${name}`)).arrayBuffer())));
  const python = await loadPyodide({ indexURL: file("pyodide/") });
  for (const wheel of await wheels) python.unpackArchive(wheel, "wheel");
  return python.pyimport("archspec_play.exported").playground(await opened).answer;
}

const started = start();
started.catch(() => {}); // each question says so

onmessage = async ({ data: { number, name, question } }) => {
  try {
    postMessage({ number, answer: (await started)(name, question) });
  } catch (error) {
    postMessage({ number, error: `${error.message}`.trim().split("\n").pop() });
  }
};
