-- HAProxy's objects, made of what the host gives. Runs once in every interpreter, before any script.
local host, thread = ...

local function strict(what, members)
    return setmetatable(members, {
        __index = function(_, name)
            error(what .. " has no `" .. tostring(name) .. "` in Evenkeel", 2)
        end,
    })
end

-- What loops as often as it is told, where no limit looks.
local MOST = 1000000
local concat, insert, remove, sort, move = table.concat, table.insert, table.remove, table.sort, table.move

local function bounded(name, t)
    local meta = getmetatable(t)
    if type(meta) == "table" and rawget(meta, "__len") ~= nil then
        error("table." .. name .. " of a table with `__len` is not possible in Evenkeel", 3)
    end
end

function table.concat(t, between, from, to)
    bounded("concat", t)
    if to and to - (from or 1) > MOST then error("table.concat of more than a million elements", 2) end
    return concat(t, between, from or 1, to or #t)
end

function table.insert(t, ...)
    bounded("insert", t)
    return insert(t, ...)
end

function table.remove(t, ...)
    bounded("remove", t)
    return remove(t, ...)
end

function table.sort(t, before)
    bounded("sort", t)
    return sort(t, before)
end

function table.move(from, first, last, at, to)
    if last - first > MOST then error("table.move of more than a million elements", 2) end
    return move(from, first, last, at, to or from)
end

string.dump = nil

-- A handler that the library calls would run where no limit looks: inside of what raises the error of the limit.
local protect, choose = pcall, select
local function settle(handler, ok, ...)
    if ok then return true, ... end
    return false, choose(2, protect(handler, ...))
end

function xpcall(run, handler, ...)
    return settle(handler, protect(run, ...))
end

local compile, find, none = load, string.find, {}
function load(chunk, name, _, ...)
    if type(chunk) == "function" then
        local pieces = {}
        for piece in chunk do
            if piece == "" then break end
            pieces[#pieces + 1] = piece
        end
        chunk = concat(pieces)
    end
    -- It would run inside of what raises the error of the limit.
    if find(chunk, "__close", 1, true) then return nil, "there is no `__close` in Evenkeel" end
    -- Text only: what is compiled already is not checked by anybody.
    if select("#", ...) > 0 then return compile(chunk, name, "t", (...)) end
    return compile(chunk, name, "t")
end

os = strict("os", { clock = os.clock, date = os.date, difftime = os.difftime, time = os.time })
for _, name in ipairs { "coroutine", "debug", "io", "package" } do
    _G[name] = strict(name, {})
end

local loaded = {}
function require(name)
    local value = loaded[name]
    if value == nil then
        error("there is no module `" .. tostring(name) .. "`: put its file into `load`, before this one", 2)
    end
    return value
end

local levels = { emerg = 0, alert = 1, crit = 2, err = 3, warning = 4, notice = 5, info = 6, debug = 7 }

local function log(level, text)
    host.log(level, tostring(text))
end

function print(...)
    local all = table.pack(...)
    for at = 1, all.n do all[at] = tostring(all[at]) end
    host.log(levels.info, concat(all, "\t", 1, all.n))
end

local inits = {}
core = {
    thread = thread,
    log = log,
    Debug = function(text) log(levels.debug, text) end,
    Info = function(text) log(levels.info, text) end,
    Warning = function(text) log(levels.warning, text) end,
    Alert = function(text) log(levels.alert, text) end,
    register_init = function(run)
        if type(run) ~= "function" then error("register_init: a function is needed", 2) end
        insert(inits, run)
    end,
    register_action = function(name, places, run, args)
        if type(places) == "string" then places = { places } end
        host.register("action", name, run, places, args or 0)
    end,
    register_fetches = function(name, run) host.register("fetch", name, run, none, 0) end,
    register_converters = function(name, run) host.register("converter", name, run, none, 0) end,
    now = function()
        local seconds, micros = host.now()
        return { sec = seconds, usec = micros }
    end,
    concat = function()
        local parts = {}
        return {
            add = function(_, text) parts[#parts + 1] = text end,
            dump = function() return concat(parts) end,
        }
    end,
    tokenize = function(text, separators, skip_empty)
        local parts, set = {}, {}
        for at = 1, #separators do set[separators:sub(at, at)] = true end
        local from = 1
        for at = 1, #text + 1 do
            if at > #text or set[text:sub(at, at)] then
                if at > from or not skip_empty then parts[#parts + 1] = text:sub(from, at - 1) end
                from = at + 1
            end
        end
        return parts
    end,
}
for name, level in pairs(levels) do core[name] = level end
strict("core", core)

act = strict("act", { CONTINUE = 0, STOP = 1, ERROR = 3, DONE = 4, DENY = 5, ABORT = 6, INVALID = 7 })

-- Methods get their object first, and there is one of each.
local function method(run, ...)
    local first, second = ...
    if second ~= nil then return function(_, ...) return run(first, second, ...) end end
    if first ~= nil then return function(_, ...) return run(first, ...) end end
    return function(_, ...) return run(...) end
end

local http, req, res = {}, {}, {}
for name, run in pairs { add_header = "add", set_header = "set", del_header = "del", get_headers = "fields" } do
    req[name] = method(host[run], "request", name)
    res[name] = method(host[run], "response", name)
end
for name, part in pairs { set_method = "method", set_path = "path", set_query = "query", set_uri = "uri" } do
    req[name] = method(host.line, part)
end
res.set_status = method(host.status)
for name, run in pairs(req) do http["req_" .. name] = run end
for name, run in pairs(res) do http["res_" .. name] = run end

-- Functions by the names of fetches and converters, made when they are first asked for.
local function named(what, has, run, finish)
    return setmetatable({}, {
        __index = function(t, name)
            if not has(name) then error(what .. " has no `" .. tostring(name) .. "` in Evenkeel", 2) end
            local function call(_, ...) return finish(run(name, ...)) end
            rawset(t, name, call)
            return call
        end,
    })
end

local function same(value) return value end
local function text(value)
    if value == nil then return "" end
    if type(value) == "boolean" then return value and "1" or "0" end
    return tostring(value)
end

local Reply = {}
Reply.__index = Reply

function Reply:set_status(status, reason)
    self.status, self.reason = status, reason
end

function Reply:set_body(body)
    self.body = body
end

function Reply:add_header(name, value)
    local values = self.headers[name]
    if type(values) ~= "table" then
        values = { values }
        self.headers[name] = values
    end
    insert(values, value)
end

function Reply:del_header(name)
    self.headers[name] = nil
end

local txn = {
    http = strict("txn.http", http),
    http_req = strict("txn.http_req", req),
    http_res = strict("txn.http_res", res),
    f = named("txn.f", host.has_fetch, host.fetch, same),
    sf = named("txn.sf", host.has_fetch, host.fetch, text),
    c = named("txn.c", host.has_converter, host.convert, same),
    sc = named("txn.sc", host.has_converter, host.convert, text),
    get_var = method(host.get_var),
    set_var = function(_, name, value)
        host.set_var(name, value)
        return true
    end,
    unset_var = function(_, name) host.set_var(name, nil) end,
    log = method(log),
    deflog = method(log, levels.info),
    Debug = method(log, levels.debug),
    Info = method(log, levels.info),
    Warning = method(log, levels.warning),
    Alert = method(log, levels.alert),
    reply = function(_, given)
        given = given or {}
        local reply = { status = given.status, reason = given.reason, body = given.body, headers = {} }
        for name, values in pairs(given.headers or none) do reply.headers[name] = values end
        return setmetatable(reply, Reply)
    end,
    done = function(_, reply)
        host.done(reply)
    end,
}
strict("txn", txn)

return { transaction = { __index = txn }, inits = inits, loaded = loaded }
