-- completion.lua - completion scripts for shells, from what `describe` tells.
--
--	eval "$(colibri completion bash)"		in ~/.bashrc
--	colibri completion zsh > "${fpath[1]}/_colibri"
--	colibri completion fish > ~/.config/fish/completions/colibri.fish

local M = {}

--- A bash script (4 or later).
-- @param commands list of describe
-- @return text
M.bash = require("colibri.completion_bash").script

--- A zsh script, to be sourced or put on fpath as _colibri.
M.zsh = require("colibri.completion_zsh").script

--- A fish script.
M.fish = require("colibri.completion_fish").script

return M
