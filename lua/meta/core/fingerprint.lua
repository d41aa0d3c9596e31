-- Made by `make docs` from docs/api.lua: edit that.
---@meta core.fingerprint

---@class colibri.fingerprint
local fingerprint = {}

---the key in a file, made if there is none
---Fails with KeyDamaged, NotTrusted, @files.
---@param dir string
---@param name string
---@return colibri.FingerprintKey?
---@return colibri.Error? err
function fingerprint.key(dir, name) end

return fingerprint
