-- Tests that a signal ends leave nothing behind: no daemon, no agent, no directory.
local fs = require "core.fs"
local proc = require "core.proc"
local sys = require "core.sys"
local t = require "colibri.test"

local ENDLESS = [[
local scratch = require "colibri.scratch"
local stdio = require "core.stdio"
local t = require "colibri.test"
local task = require "core.task"
t.test("endless", function()
  local d <close> = scratch.daemon()
  local a = d:call("spawn-agent", { provider = "local", model = "/bin/sleep", arg = { "1000" } })
  stdio.out(("pid %d\n"):format(a.pid))
  task.sleep(1000)
end)
t.test("never", function() stdio.out("never\n") end)]]

local SCRIPT = [[
: >"$2/out"
"$1" --log-level warn test "$2/endless_test.lua" >"$2/out" & run=$!
until pid=$(sed -n 's/^pid //p' "$2/out") && [ -n "$pid" ]; do sleep 0.05; done
kill -TERM $run
wait $run
echo "status=$?"
! kill -0 "$pid" 2>/dev/null || echo "agent=$pid"
cat "$2/out"
ls "$2/tmp"]]

t.test("TERM ends the case, its daemon and its agent", function()
  local dir = t.ok(fs.scratch "colibri-test")
  local root <close> = fs.open_trusted(dir)
  root:write("endless_test.lua", ENDLESS)
  root:mkdir("tmp", 0x1c0)
  local r = t.ok(proc.run { "/bin/sh", "-c", SCRIPT, "sh", sys.program "colibri-run", dir,
    env = { PATH = "/usr/bin:/bin", TMPDIR = dir .. "/tmp", COLIBRI_SHARE_DIR = sys.conf.share_dir }, timeout = 60 })
  t.eq((r.stdout:gsub("pid %d+", "pid N")), "status=143\n1..2\npid N\nBail out! ended by signal TERM\n", r.stderr)
  t.ok(fs.remove_tree(dir))
end)
