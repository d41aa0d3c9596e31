-- hook_order.lua - in which order the hooks of one event run.
--
-- By name, then moved only as far as `before` and `after` ask. An unknown name
-- and a cycle are errors that name the chain.

local err = require "colibri.err"

local M = {}

local function sorted_names(hooks)
  local names = {}
  for name in pairs(hooks) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

-- first[name] = set of names that must run before it
local function constraints(event, hooks, names)
  local first = {}
  for _, name in ipairs(names) do
    first[name] = {}
  end
  for _, name in ipairs(names) do
    for _, field in ipairs { "before", "after" } do
      for _, other in ipairs(hooks[name][field] or {}) do
        if not hooks[other] then
          local e = err.new("BadScript", "%s names an unknown hook '%s' in '%s'", name, tostring(other), field)
          e.where = "hooks/" .. event .. "/" .. name
          return nil, e
        end
        if field == "before" then
          first[other][name] = true
        else
          first[name][other] = true
        end
      end
    end
  end
  return first
end

-- A cycle as "a -> b -> a", for the error text.
local function chain(first, names, done)
  local seen, path = {}, {}
  local name
  for _, candidate in ipairs(names) do
    if not done[candidate] then
      name = candidate
      break
    end
  end
  while not seen[name] do
    seen[name] = true
    path[#path + 1] = name
    local following
    for other in pairs(first[name]) do
      if not done[other] and (not following or other < following) then
        following = other
      end
    end
    name = following
  end
  path[#path + 1] = name
  return table.concat(path, " after ")
end

--- Order the hooks of one event.
-- @param event string
-- @param hooks table: name -> script
-- @param sources table|nil: script -> path of its file
-- @return list of { name, run, on_error, summary, before, after, source, remember } | nil, err(BadScript)
function M.sort(event, hooks, sources)
  local names = sorted_names(hooks)
  local first, e = constraints(event, hooks, names)
  if not first then
    return nil, e
  end
  local done, list = {}, {}
  while #list < #names do
    local progressed = false
    for _, name in ipairs(names) do
      local ready = not done[name]
      for other in pairs(first[name]) do
        ready = ready and done[other]
      end
      if ready then
        done[name], progressed = true, true
        local def = hooks[name]
        list[#list + 1] = { name = name, run = def.run, on_error = def.on_error or "fail", summary = def.summary,
          remember = def.remember, before = def.before, after = def.after, source = sources and sources[def] }
        break
      end
    end
    if not progressed then
      e = err.new("BadScript", "hooks wait for each other: %s", chain(first, names, done))
      e.where = "hooks/" .. event
      return nil, e
    end
  end
  return list
end

return M
