-- checked.lua - functions in Lua that refuse misuse as the bindings in C do: a
-- wrong type, a surplus argument or an unknown field raises at the caller's line.
--
--	checked.methods(Tenants, "tenants", { get = "string", list = "boolean?",
--	  register = "table(tenant_id jail_root_path)" })
--
-- replaces each method by one that checks first. Types: string, number, integer,
-- boolean, table, function, any; `?`: may be left out; the fields in parentheses
-- are all that the table may have.

local M = {}

-- "table(a b)?" as { kind, optional, fields }.
local function parse(word)
  local kind, fields, mark = word:match("^(%l+)(%b())(%??)$")
  if not kind then
    kind, mark = word:match("^(%l+)(%??)$")
  end
  local known
  for name in (fields or ""):gmatch("[%w_]+") do
    known = known or {}
    known[name] = true
  end
  return { kind = kind, optional = mark == "?", fields = known }
end

-- What is wrong with a value, or nil.
local function complaint(rule, v)
  if rule.kind == "any" or v == nil and rule.optional then
    return nil
  end
  local got = type(v)
  if rule.kind == "integer" and math.type(v) == "integer" then
    return nil
  elseif got ~= rule.kind then
    return ("%s expected, got %s"):format(rule.kind, v == nil and "no value" or got)
  elseif rule.fields then
    for key in next, v do
      if not rule.fields[key] then
        return ("unknown field '%s'"):format(tostring(key))
      end
    end
  end
end

--- The types of a function's arguments, taken apart.
function M.rules(text)
  local rules = { n = 0 }
  for word in (text:gsub("%b()", function(s) return s:gsub(" ", ",") end)):gmatch("%S+") do
    rules.n = rules.n + 1
    rules[rules.n] = parse(word)
  end
  return rules
end

--- Raise, at the line that called the caller, unless the arguments are in order.
function M.arguments(name, rules, ...)
  for i = 1, rules.n do
    local why = complaint(rules[i], (select(i, ...)))
    if why then
      error(("bad argument #%d to '%s' (%s)"):format(i, name, why), 3)
    end
  end
  if select("#", ...) > rules.n and select(rules.n + 1, ...) ~= nil then
    error(("too many arguments to '%s': expected at most %d"):format(name, rules.n), 3)
  end
end

local function method(fn, name, rules)
  return function(self, ...)
    M.arguments(name, rules, ...)
    return fn(self, ...)
  end
end

local function plain(fn, name, rules)
  return function(...)
    M.arguments(name, rules, ...)
    return fn(...)
  end
end

--- Check the arguments of methods of a class.
-- @param class table: its functions are replaced
-- @param name string: for the error text
-- @param methods { method = "types of its arguments" }
function M.methods(class, name, methods)
  for key, text in pairs(methods) do
    class[key] = method(class[key], name .. ":" .. key, M.rules(text))
  end
end

--- The same for the functions of a module.
function M.functions(module, name, functions)
  for key, text in pairs(functions) do
    module[key] = plain(module[key], name .. "." .. key, M.rules(text))
  end
end

return M
