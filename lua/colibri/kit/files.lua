-- kit/files.lua - files below a scratch directory, for tests.

local dirs = require "colibri.dirs"
local fs = require "core.fs"

local M = {}

-- Make a file (text) or a directory (name ends in "/") below an open root.
local function plant(root, name, text)
  assert(dirs.above(root, name, 0x1c0)) -- 0700
  if name:sub(-1) ~= "/" then
    assert(root:write(name, text, { mode = 0x180 })) -- 0600
  end
end

--- Make files and directories below dir: { [name] = text }; a name that ends in
-- "/" is a directory.
function M.tree(dir, files)
  local root <close> = assert(fs.open_trusted(dir))
  for name, text in pairs(files) do
    plant(root, name, text)
  end
end

-- @return text of a file below dir | nil, err
function M.read(dir, name)
  local root <close> = assert(fs.open_trusted(dir))
  return root:read(name)
end

-- @return stat of a file below dir | nil, err
function M.stat(dir, name)
  local root <close> = assert(fs.open_trusted(dir))
  return root:stat(name)
end

return M
