-- proof.lua - the machinery of a proof: options, TAP, clean-up that always runs.
--
-- A proof is a list of steps (scripts/steps/NAME.lua, or the site's own of the
-- same name) that share one table of options and facts, `proof`. This file
-- knows nothing about jails or vaults. Effects come from the ctx it is given.

local err = require "colibri.err"
local script = require "core.script"
local task = require "core.task"

local M = {}

local REQUEST_SECONDS = 60

--- The usage text of an option list.
-- @param program string: the words in front, "colibri-run scripts/proof.lua"
-- @param spec list of { name, metavar = "WORD" | nil (a switch), default?, help = }
function M.usage(program, spec)
  local lines = { "usage: " .. program .. " [OPTIONS]", "" }
  for _, option in ipairs(spec) do
    local flag = "--" .. option[1]:gsub("_", "-") .. (option.metavar and " " .. option.metavar or "")
    lines[#lines + 1] = ("  %-24s %s%s"):format(flag, option.help,
      option.default and " (" .. option.default .. ")" or "")
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Words to options.
-- @param spec as for usage()
-- @param words list of strings: --name VALUE, --name=VALUE, --switch
-- @return { name = string | true } with defaults | nil, err(BadParameter)
function M.options(spec, words)
  local by_flag, out = {}, {}
  for _, option in ipairs(spec) do
    by_flag["--" .. option[1]:gsub("_", "-")] = option
    out[option[1]] = option.default
  end
  local i = 1
  while i <= #words do
    local flag, value = words[i]:match("^(%-%-[^=]+)=(.*)$")
    flag = flag or words[i]
    local option = by_flag[flag]
    if not option then
      return nil, err.new("BadParameter", "unknown option: %s", flag)
    elseif option.metavar and not value then
      i = i + 1
      value = words[i]
    end
    if option.metavar and not value then
      return nil, err.new("BadParameter", "%s needs a value", flag)
    elseif not option.metavar and value then
      return nil, err.new("BadParameter", "%s takes no value", flag)
    end
    out[option[1]] = value or true
    i = i + 1
  end
  return out
end

--- A comment line of the report.
function M.note(ctx, fmt, ...)
  ctx.out("# " .. fmt:format(...):gsub("\n", "\n# ") .. "\n")
end

--- Ask the daemon of this proof (proof.socket). Waits.
-- @param request table: { cmd = ..., parameters }
-- @return data | nil, err: the daemon's own error, or DaemonUnreachable, Timeout, Disconnected
function M.request(ctx, proof, request)
  local conn, e = ctx.client.connect(proof.socket)
  if not conn then
    return nil, e
  end
  local open <close> = conn
  local reply
  reply, e = open:request(request, REQUEST_SECONDS)
  if not reply then
    return nil, e
  elseif not reply.ok then
    return nil, err.new(reply.error.code, "%s: %s", request.cmd, reply.error.message)
  end
  return reply.data
end

--- The absolute path of a program of ours.
-- @return path | nil, err(ProgramNotFound)
function M.program(ctx, name)
  local path = ctx.sys.program(name)
  if not path then
    return nil, err.new("ProgramNotFound", "%s is neither beside this program nor installed", name)
  end
  return path
end

--- The proof's scratch directory, made when it is first asked for.
-- @return absolute path | nil, err
function M.scratch(ctx, proof)
  if not proof.scratch then
    local path, e = ctx.fs.scratch("colibri-proof")
    if not path then
      return nil, e
    end
    proof.scratch = path
  end
  return proof.scratch
end

--- Make directories below an absolute path, each 0700 unless told.
-- @param names list of relative names, parents first; one that is there is fine
-- @return true | nil, err
function M.mkdirs(ctx, below, names, mode)
  local root <close>, e = ctx.fs.open_trusted(below)
  if not root then
    return nil, e
  end
  for _, name in ipairs(names) do
    local ok, why = root:mkdir(name, mode or 0x1c0)
    if not ok and why.code ~= "Exists" then
      return nil, why
    end
  end
  return true
end

--- Poll `fn` until it returns something true, or an error that ends it. Waits.
-- @param seconds number: how long
-- @param what string: for the error
-- @param fn function() -> value | nil, err (goes on when err.code is listed in retry or there is no err)
-- @param retry { Code = true }
-- @return value | nil, err(DeadlineExceeded or what fn gave)
function M.poll(ctx, seconds, what, fn, retry)
  local limit = ctx.clock.monotonic() + seconds
  while true do
    local value, e = fn()
    if value then
      return value
    elseif e and not (retry and retry[e.code]) then
      return nil, e
    elseif ctx.clock.monotonic() >= limit then
      return nil, err.new("DeadlineExceeded", "%s: not within %g s%s", what, seconds, e and ": " .. e.message or "")
    end
    ctx.task.sleep(0.02)
  end
end

-- One step, protected. Returns "ok", "skip" and why, or "failed" and err; seconds.
local function run_step(ctx, proof, name)
  local started = ctx.clock.monotonic()
  local step, e = ctx.script("steps", name)
  if not step then
    return "failed", e, 0, name
  end
  local ok, result, why = xpcall(step.run, script.traceback, ctx, proof)
  local seconds = ctx.clock.monotonic() - started
  if not ok then
    return "failed", result, seconds, step.summary
  elseif result == "skip" then
    return "skip", why or "", seconds, step.summary
  elseif not result then
    return "failed", why or err.new("ScriptError", "step '%s' returned nothing", name), seconds, step.summary
  end
  return "ok", nil, seconds, step.summary
end

-- The lines under a failed step: what, where, and what was behind it.
local function explain(ctx, e)
  M.note(ctx, "%s: %s", tostring(e.code or "ScriptError"), tostring(e.message or e))
  if e.where then
    M.note(ctx, "at %s", tostring(e.where))
  end
  if e.cause then
    M.note(ctx, "because %s", tostring(e.cause))
  end
  for _, line in ipairs(e.details or {}) do
    M.note(ctx, "  %s", line)
  end
end

local function report(ctx, n, name, outcome, what, seconds, summary)
  local line = ("%sok %d - %s"):format(outcome == "failed" and "not " or "", n, summary or name)
  if outcome == "skip" then
    ctx.out(("%s # SKIP %s\n"):format(line, what))
    return
  end
  ctx.out(("%s # %.0f ms\n"):format(line, seconds * 1000))
  if outcome == "failed" then
    explain(ctx, what)
  end
end

-- The steps in order; after a failure the rest is skipped. Remembers in
-- proof.failed and proof.reported how far it came.
local function run_steps(ctx, proof, names)
  for n, name in ipairs(names) do
    if proof.failed then
      report(ctx, n, name, "skip", "after the failure of " .. proof.failed)
    else
      local outcome, what, seconds, summary = run_step(ctx, proof, name)
      report(ctx, n, name, outcome, what, seconds, summary)
      proof.failed = outcome == "failed" and name or nil
    end
    proof.reported = n
  end
end

-- A signal ended the steps: account for those that have no line yet.
local function report_interrupted(ctx, proof, names, why)
  for n = proof.reported + 1, #names do
    if proof.failed then
      report(ctx, n, names[n], "skip", "after the failure of " .. proof.failed)
    else
      report(ctx, n, names[n], "failed", why, 0)
      proof.failed = names[n]
    end
  end
end

--- Run the steps in order, then the clean-up, whatever happened. Prints TAP; waits.
-- @param names list of step names; after a failure the rest is skipped
-- @param cleanup string: the step that always runs, last
-- @param next_signal function() -> "INT" | ...; waits. A signal ends the steps, not the clean-up.
-- @return 0 when all went well, 1 when a step failed
function M.run(ctx, proof, names, cleanup, next_signal)
  ctx.out(("TAP version 13\n1..%d\n"):format(#names + 1))
  proof.reported = 0
  local steps = task.go(run_steps, ctx, proof, names)
  local interrupted
  local watcher = task.go(function()
    interrupted = next_signal()
    steps:cancel()
  end)
  local _, e = steps:wait()
  watcher:cancel()
  if proof.reported < #names then
    report_interrupted(ctx, proof, names, interrupted and err.new("Cancelled", "ended by signal %s", interrupted) or e)
  end
  local outcome, what, seconds, summary = run_step(ctx, proof, cleanup)
  report(ctx, #names + 1, cleanup, outcome, what, seconds, summary)
  return (proof.failed or outcome == "failed") and 1 or 0
end

--- run() that listens to the process's own signals: what scripts/proof.lua calls.
function M.main(ctx, proof, names, cleanup)
  return M.run(ctx, proof, names, cleanup, require("core.server").next_signal)
end

return M
