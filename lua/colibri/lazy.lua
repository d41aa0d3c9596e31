-- lazy.lua - a module that is loaded at its first use.
--
--	local explain = lazy "colibri.explain"	-- nothing is read yet
--	explain.run(...)			-- now it is
--
-- For what most daemons never use: reading the library is most of a start
-- (tests/bench/start.sh).

--- The module, not loaded yet.
-- @param name string: as for require
-- @return a view of the module: its fields can be read
return function(name)
  return setmetatable({}, { __index = function(_, key) return require(name)[key] end })
end
