-- Neovim, headless: opens a spec, waits for its diagnostic, applies the fix, renames a block, and writes the file.
local function done(message)
  io.stderr:write(message .. "\n")
  vim.cmd(message == "" and "qall!" or "cquit")
end
local function wait(what, condition)
  if not vim.wait(60000, condition, 50) then done("no " .. what) end
end

vim.cmd("edit " .. vim.env.SPEC)
local buffer = vim.api.nvim_get_current_buf()
local client = vim.lsp.start_client({ name = "archspec", cmd = { vim.env.PYTHON, "-m", "archspec_cli", "lsp" }, root_dir = vim.fn.getcwd() })
vim.lsp.buf_attach_client(buffer, client)
wait("diagnostic", function() return #vim.diagnostic.get(buffer) == 1 end)
local found = vim.diagnostic.get(buffer)[1]
print(found.code, found.lnum)

local params = vim.lsp.util.make_given_range_params({ found.lnum + 1, found.col }, { found.lnum + 1, found.col + 1 })
params.context = { diagnostics = {} }
local answer = vim.lsp.buf_request_sync(buffer, "textDocument/codeAction", params, 60000)
local encoding = vim.lsp.get_client_by_id(client).offset_encoding
vim.lsp.util.apply_workspace_edit(answer[client].result[1].edit, encoding)
wait("end of the mistake", function() return #vim.diagnostic.get(buffer) == 0 end)

vim.fn.search("mine:")
vim.lsp.buf.rename("branch")
wait("rename", function() return vim.fn.search("block: branch", "nw") > 0 end)
vim.cmd("silent write")
vim.cmd("qall!")
