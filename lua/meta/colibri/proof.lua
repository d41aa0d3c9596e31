-- Made by `make docs` from docs/api.lua: edit that.
---@meta colibri.proof

---@class colibri.proof
local proof = {}

---the usage text of an option list
---@param program string
---@param spec table[]
---@return string
function proof.usage(program, spec) end

---words to options, defaults filled in
---Fails with BadParameter.
---@param spec table[]
---@param words string[]
---@return table?
---@return colibri.Error? err
function proof.options(spec, words) end

---a comment line of the report
---@param ctx colibri.ProofCtx
---@param fmt string
---@param ... any
function proof.note(ctx, fmt, ...) end

---asks the daemon at `proof.socket`
---Fails with @client.
---@async
---@param ctx colibri.ProofCtx
---@param proof table
---@param request table
---@return any
---@return colibri.Error? err
function proof.request(ctx, proof, request) end

---absolute path of a program of colibri
---Fails with ProgramNotFound.
---@param ctx colibri.ProofCtx
---@param name string
---@return string?
---@return colibri.Error? err
function proof.program(ctx, name) end

---the proof's scratch directory, made when it is first asked for
---Fails with @files.
---@param ctx colibri.ProofCtx
---@param proof table
---@return string?
---@return colibri.Error? err
function proof.scratch(ctx, proof) end

---makes directories below a path, 0700 unless told
---Fails with @files.
---@param ctx colibri.ProofCtx
---@param below string
---@param names string[]
---@param mode? integer
---@return true?
---@return colibri.Error? err
function proof.mkdirs(ctx, below, names, mode) end

---tries `fn` until it gives something true, or an error whose code is not in `retry`
---Fails with DeadlineExceeded.
---@async
---@param ctx colibri.ProofCtx
---@param seconds number
---@param what string
---@param fn function
---@param retry? table<string, boolean>
---@return any
---@return colibri.Error? err
function proof.poll(ctx, seconds, what, fn, retry) end

---runs steps in order, then the clean-up, whatever happened; prints TAP; 0 when all went well
---@async
---@param ctx colibri.ProofCtx
---@param proof table
---@param names string[]
---@param cleanup string
---@param next_signal function
---@return integer
function proof.run(ctx, proof, names, cleanup, next_signal) end

---`run` that listens to the process's own signals
---@async
---@param ctx colibri.ProofCtx
---@param proof table
---@param names string[]
---@param cleanup string
---@return integer
function proof.main(ctx, proof, names, cleanup) end

return proof
