-- What becomes of an agent whose run has ended: stay ended, be started again
-- after a delay, or be given up.
--
-- Pure: what must be remembered from one end to the next is in `memory`, a
-- plain table that is kept in the agent's row; {} after a spawn and after
-- `restart-agent`.

local DEFAULTS = {
  delay = 1, -- seconds before the first restart; doubled each time
  delay_max = 60,
  stable_after = 60, -- a run of this length makes up for all failures before
  tries = 10, -- this many failures
  window = 600, -- within this many seconds are too many
}
local JITTER = 0.2 -- of the delay, up and down

local function is_success(run)
  return run.code == 0 and not run.lost and not run.error
end

local function cause(run)
  if run.error then
    return run.error
  elseif run.lost then
    return "its shim was killed"
  elseif (run.signal or 0) > 0 then
    return "signal " .. run.signal
  end
  return "exit code " .. tostring(run.code)
end

-- Times of the failures that still count, with this one.
local function failures_with(memory, now, window)
  local list = {}
  for _, at in ipairs(memory.failures or {}) do
    if now - at < window then
      list[#list + 1] = at
    end
  end
  list[#list + 1] = now
  return list
end

return {
  api = 1,
  summary = "when an agent that ended is started again, and when it is given up",
  -- mode: "never", "on-failure", "always"
  -- run: { code =, signal =, lost = boolean, error = text: it did not start, seconds = how long it ran, now = }
  -- options: what the agent's spawn said about delay, delay_max, stable_after, tries, window
  -- random: function() -> number from 0 to 1
  -- returns { action = "end" | "restart" | "fail", delay = seconds, reason = text, memory = table }
  decide = function(mode, run, memory, options, random)
    local function setting(name)
      return options[name] or DEFAULTS[name]
    end
    if mode == "never" or mode == "on-failure" and is_success(run) then
      return { action = "end", memory = {} }
    end
    local stable = run.seconds >= setting "stable_after"
    local streak = stable and 0 or memory.streak or 0
    local failures = stable and {} or memory.failures or {}
    if not is_success(run) then
      failures = failures_with({ failures = failures }, run.now, setting "window")
      if #failures >= setting "tries" then
        return { action = "fail", memory = { streak = streak, failures = failures },
          reason = ("%d failures in %g s, the last one: %s"):format(#failures, setting "window", cause(run)) }
      end
    end
    -- Not 2^streak: that would be too big a number some day.
    local delay = setting "delay"
    for _ = 1, streak do
      delay = math.min(delay * 2, setting "delay_max")
    end
    return { action = "restart", delay = delay * (1 + JITTER * (2 * random() - 1)), reason = cause(run),
      memory = { streak = math.min(streak + 1, 64), failures = failures } }
  end,
}
