-- dirs.lua - the directories above a file, as of mkdir -p.

local M = {}

--- Make the directories on the way to a name below an open root, those that are
-- missing. A name that ends in "/" is one itself.
-- @param root core.fs root
-- @param mode of those that are made
-- @return true | nil, err
function M.above(root, name, mode)
  local dir = ""
  for part in name:gmatch("([^/]+)/") do
    dir = dir == "" and part or dir .. "/" .. part
    local ok, e = root:mkdir(dir, mode)
    if not ok and e.code ~= "Exists" then
      return nil, e
    end
  end
  return true
end

return M
