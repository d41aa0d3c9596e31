-- colibri.proof: options, the TAP report, and a clean-up that always runs.

local err = require "colibri.err"
local proof = require "colibri.proof"
local sync = require "colibri.sync"
local task = require "core.task"
local t = require "colibri.test"

local SPEC = {
  { "tenant", metavar = "NAME", default = "proof0", help = "which" },
  { "jail_root", metavar = "DIR", help = "where" },
  { "keep", help = "leave it" },
}

-- A ctx whose steps are functions, whose clock moves with sleep, whose report is text.
local function fake(steps)
  local now = 0
  local self = { text = "", ran = {} }
  self.ctx = {
    out = function(text) self.text = self.text .. text end,
    clock = { monotonic = function() return now end },
    task = { sleep = function(s) now = now + s end },
    script = function(_, name)
      if not steps[name] then
        return nil, err.new("NotFound", "no script steps/%s", name)
      end
      return { summary = "do " .. name, run = function(...)
        self.ran[#self.ran + 1] = name
        return steps[name](...)
      end }
    end,
  }
  return self
end

local function yes() return true end

local function run(f, names, cleanup, next_signal)
  return proof.run(f.ctx, {}, names, cleanup, next_signal or function() return sync.queue():get() end)
end

t.test("options: defaults, both ways to give a value, switches", function()
  t.eq(proof.options(SPEC, {}), { tenant = "proof0" })
  t.eq(proof.options(SPEC, { "--tenant", "a", "--jail-root=/x=y", "--keep" }),
    { tenant = "a", jail_root = "/x=y", keep = true })
  t.eq(proof.options(SPEC, { "--tenant", "--keep" }), { tenant = "--keep" })
end)

t.test("options: what is wrong is named", function()
  for _, words in ipairs { { "--nope" }, { "tenant" }, { "--tenant" }, { "--keep=1" }, { "--jail_root", "/x" } } do
    t.err("BadParameter", proof.options(SPEC, words))
  end
end)

t.test("usage shows each option", function()
  local text = proof.usage("prog", SPEC)
  t.ok(text:find("--jail-root DIR", 1, true) and text:find("(proof0)", 1, true) and text:find("--keep", 1, true), text)
end)

t.test("all steps well: TAP and 0", function()
  local f = fake { a = yes, b = function() return "skip", "not today" end, c = yes }
  t.eq(run(f, { "a", "b" }, "c"), 0)
  t.eq(f.text, "TAP version 13\n1..3\nok 1 - do a # 0 ms\nok 2 - do b # SKIP not today\nok 3 - do c # 0 ms\n")
end)

t.test("a failure ends the steps, not the clean-up", function()
  local f = fake { a = yes, b = function() return nil, err.new("Broken", "on purpose") end, c = yes, d = yes }
  t.eq(run(f, { "a", "b", "c" }, "d"), 1)
  t.eq(f.ran, { "a", "b", "d" })
  t.ok(f.text:find("not ok 2 - do b # 0 ms\n# Broken: on purpose\n", 1, true), f.text)
  t.ok(f.text:find("ok 3 - c # SKIP after the failure of b", 1, true), f.text)
end)

t.test("a step that raises, returns nothing or is missing fails alike", function()
  for _, case in ipairs {
    { function() error("boom") end, "boom" }, { function() end, "returned nothing" }, { nil, "no script steps/a" },
  } do
    local f = fake { a = case[1], d = yes }
    t.eq(run(f, { "a" }, "d"), 1)
    t.ok(f.text:find("not ok 1", 1, true) and f.text:find(case[2], 1, true), f.text)
    t.eq(f.ran[#f.ran], "d")
  end
end)

t.test("a clean-up that fails makes the proof fail", function()
  local f = fake { a = yes, d = function() return nil, err.new("Left", "over") end }
  t.eq(run(f, { "a" }, "d"), 1)
end)

t.test("a signal ends the steps, not the clean-up", function()
  local signals, cleaned = sync.queue(), false
  local f = fake {
    a = yes,
    b = function()
      signals:put "INT"
      task.sleep(60)
      return true
    end,
    c = yes,
    d = function()
      task.sleep(0.01)
      cleaned = true
      return true
    end,
  }
  t.eq(run(f, { "a", "b", "c" }, "d", function() return signals:get() end), 1)
  t.eq(f.ran, { "a", "b", "d" })
  t.ok(cleaned)
  t.ok(f.text:find("not ok 2 - b # 0 ms\n# Cancelled: ended by signal INT\nok 3 - c # SKIP", 1, true), f.text)
end)

t.test("poll: until true, a fatal error, or the time is over", function()
  local f = fake {}
  local n = 0
  t.eq(proof.poll(f.ctx, 5, "three", function()
    n = n + 1
    return n == 3 and n or nil
  end), 3)
  t.err("Fatal", proof.poll(f.ctx, 5, "it", function() return nil, err.new("Fatal", "x") end, { Other = true }))
  local e = t.err("DeadlineExceeded", proof.poll(f.ctx, 1, "it", function()
    return nil, err.new("Other", "not yet")
  end, { Other = true }))
  t.ok(tostring(e):find("not yet", 1, true))
end)
