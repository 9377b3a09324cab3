// Starts `archspec lsp` for YAML files; the server leaves those alone that are no specs.
const { window, workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

async function activate(context) {
  const [command, ...args] = workspace.getConfiguration("archspec").get("command");
  client = new LanguageClient(
    "archspec",
    "archspec",
    { command, args },
    { documentSelector: [{ scheme: "file", language: "yaml" }, { scheme: "untitled", language: "yaml" }] },
  );
  context.subscriptions.push(client);
  try {
    await client.start();
  } catch (error) {
    window.showErrorMessage(
      `archspec: \`${[command, ...args].join(" ")}\` does not start (${error.message}). ` +
        'Install it with pip install "archspec-nn[lsp]", or set archspec.command.',
    );
  }
}

function deactivate() {
  return client?.stop();
}

module.exports = { activate, deactivate };
