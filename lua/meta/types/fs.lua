-- Made by `make docs` from docs/api.lua: edit that.
---@meta _

---what a write did
---@alias colibri.Change "changed"|"unchanged"

---a path below a base
---@class (exact) colibri.Contained
---@field base string the base, canonical
---@field rel string the rest
---@field path string both

---one entry of a `.env`
---@class (exact) colibri.Pair
---@field key string `[A-Za-z_][A-Za-z0-9_]*`
---@field value colibri.Secret never a Lua string

---how to write a file
---@class (exact) colibri.WriteOptions
---@field mode? integer permission bits; 0600 unless told
---@field uid? integer owner, set before the first byte
---@field gid? integer group
---@field exclusive? boolean fail with `Exists` when it is there
---@field dry_run? boolean only say what it would be

---how to write a `.env`
---@class (exact) colibri.EnvOptions
---@field mode? integer permission bits; 0600 unless told
---@field uid? integer owner, set before the first byte
---@field gid? integer group
---@field dry_run? boolean only say what it would be

---what `write_env` did
---@class (exact) colibri.EnvWritten
---@field change colibri.Change whether the file is another one now
---@field keys string[] sorted

---facts about a name
---@class (exact) colibri.Stat
---@field mode integer permission bits
---@field uid integer owner
---@field gid integer group
---@field size integer bytes
---@field nlink integer hard links
---@field mtime integer UNIX seconds
---@field type "file"|"dir"|"link"|"other" what it is

---@class colibri.Root
local _Root = {}

---the bytes of a file; at most `max` (1 MiB)
---Fails with TargetEscapesRoot, @files.
---@param name string
---@param max? integer
---@return string?
---@return colibri.Error? err
function _Root:read(name, max) end

---the pairs of a `.env` file, in its order
---Fails with TargetEscapesRoot, InvalidLine, DuplicateKey, @files.
---@param name string
---@return colibri.Pair[]?
---@return colibri.Error? err
function _Root:read_env(name) end

---replaces a file at once or not at all; unchanged content leaves it untouched
---Fails with TargetEscapesRoot, @files.
---@param name string
---@param data string|colibri.Secret
---@param options? colibri.WriteOptions
---@return colibri.Change?
---@return colibri.Error? err
function _Root:write(name, data, options) end

---replaces a `.env` file, keys sorted, values quoted for sh; the text is never a Lua string
---Fails with TargetEscapesRoot, InvalidKey, InvalidValue, @files.
---@param name string
---@param pairs table<string, string|colibri.Secret>
---@param options? colibri.EnvOptions
---@return colibri.EnvWritten?
---@return colibri.Error? err
function _Root:write_env(name, pairs, options) end

---what a name is, symlinks not followed
---Fails with TargetEscapesRoot, @files.
---@param name string
---@return colibri.Stat?
---@return colibri.Error? err
function _Root:stat(name) end

---sorted names in a directory (`.`)
---Fails with TargetEscapesRoot, @files.
---@param name? string
---@return string[]?
---@return colibri.Error? err
function _Root:list(name) end

---a new directory, 0700 unless told
---Fails with TargetEscapesRoot, @files.
---@param name string
---@param mode? integer
---@return true?
---@return colibri.Error? err
function _Root:mkdir(name, mode) end

---removes a file; whether it was there
---Fails with TargetEscapesRoot, @files.
---@param name string
---@return boolean?
---@return colibri.Error? err
function _Root:unlink(name) end

---copies a file of the host (absolute `source`) to `name`, 0600 unless told
---Fails with TargetEscapesRoot, @files.
---@param source string
---@param name string
---@param mode? integer
---@return colibri.Change?
---@return colibri.Error? err
function _Root:copy_in(source, name, mode) end

---closes the directory; again is allowed
function _Root:close() end

---@class colibri.Secret
local _Secret = {}

---its length in bytes
---@return integer
function _Secret:len() end

---the value as a Lua string: the explicit way out, recorded in the log with file and line
---@return string
function _Secret:reveal() end
