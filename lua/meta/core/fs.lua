-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.fs

---@class colibri.fs
local fs = {}

---a root strictly below `base`, reached without following a symlink; both are absolute
---Fails with TargetMissing, TargetEscapesRoot, BaseMissing, @files.
---@param base string
---@param path string
---@return colibri.Root?
---@return colibri.Error? err
function fs.open(base, path) end

---a root that is the daemon's own: owned by root or its user, not writable by others
---Fails with @files.
---@param path string
---@return colibri.Root?
---@return colibri.Error? err
function fs.open_trusted(path) end

---where `path` is below `base`, canonical; opens nothing inside
---Fails with TargetMissing, TargetEscapesRoot, BaseMissing, @files.
---@param base string
---@param path string
---@return colibri.Contained?
---@return colibri.Error? err
function fs.contain(base, path) end

---a file of the host whose owner is root or the daemon's user, with none of these mode bits; at most `max` bytes
---Fails with @files.
---@param path string
---@param forbidden_bits integer
---@param max? integer
---@return string?
---@return colibri.Error? err
function fs.read_trusted(path, forbidden_bits, max) end

---the pairs of a `.env` file of the host that is 0600, in its order
---Fails with InvalidLine, DuplicateKey, @files.
---@param path string
---@return colibri.Pair[]?
---@return colibri.Error? err
function fs.read_env(path) end

---the pairs in a text, in its order; `what` names it in errors
---Fails with InvalidLine, DuplicateKey, InvalidValue.
---@param text string|colibri.Secret
---@param what string
---@return colibri.Pair[]?
---@return colibri.Error? err
function fs.parse_env(text, what) end

---whether there is anything of this name on the host
---@param path string
---@return boolean
function fs.exists(path) end

---a 0700 directory of the daemon's own, made when it is missing
---Fails with @files.
---@param path string
---@return true?
---@return colibri.Error? err
function fs.make_private(path) end

---the path of a new 0700 directory
---Fails with @files.
---@param prefix string
---@return string?
---@return colibri.Error? err
function fs.scratch(prefix) end

---removes only what this process made by `scratch`
---Fails with @files.
---@param path string
---@return true?
---@return colibri.Error? err
function fs.remove_tree(path) end

return fs
