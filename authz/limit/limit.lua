-- Decides and counts all limits of one call at once.
-- KEYS[i]   counter i; the same key may appear twice
-- ARGV[1]   now in microseconds since the Unix epoch, or 0: Redis's clock
-- ARGV[2]   "all": count only if every limit that is no shadow admits; "each": every limit for itself
-- ARGV[3+6(i-1)...]  algorithm s|f|g|t|q|c, capacity, window in us, interval in us (g; q and c: see there), hits, shadow 0|1
-- Returns for each limit: allowed 0|1, remaining, us until remaining grows, us until the call would be admitted.
--
-- All times are whole quarters of a microsecond, which a Lua number holds exactly until the year 2041.

local now = tonumber(ARGV[1])
if now == 0 then
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000000 + tonumber(t[2])
end
-- A clock that is given does not run as Redis's does, which ends keys: they stay an hour longer, which changes no count.
local grace = ARGV[1] == '0' and 0 or 3600000
local each = ARGV[2] == 'each'

-- What most calls are: GCRA limits of different counters, all of which admit. The arithmetic is that of kinds.g; what
-- is anything else, nothing has been written of, and it is decided below.
local function quickly()
  if each then return nil end
  local tats, known = {}, {}
  for i, key in ipairs(KEYS) do
    local a = 3 + 6 * (i - 1)
    local capacity, interval, hits = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
    if ARGV[a] ~= 'g' or known[key] or capacity == 0 then return nil end
    local tat = math.max(now, tonumber(redis.call('GET', key) or 0)) + hits * interval
    if hits > capacity or tat - now > capacity * interval then return nil end
    tats[i], known[key] = tat, true
  end
  local answer, n = {}, 0
  for i, tat in ipairs(tats) do
    local a = 3 + 6 * (i - 1)
    local capacity, interval = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 3])
    if ARGV[a + 4] ~= '0' then
      redis.call('SET', KEYS[i], string.format('%.2f', tat), 'PX', math.ceil((tat - now) / 1000) + 1 + grace)
    end
    local remaining = math.floor((capacity * interval - (tat - now)) / interval)
    local reset = 0
    if tat > now then reset = math.max(0, math.ceil((tat - now) - (capacity - remaining - 1) * interval)) end
    answer[n + 1], answer[n + 2], answer[n + 3], answer[n + 4] = 1, math.max(0, remaining), reset, 0
    n = n + 4
  end
  return answer
end

local quick = quickly()
if quick then return quick end

-- Sliding window: a list with the time of each admitted hit, oldest first.
function kinds.s()
  local sliding = {}

  function sliding.load(s)
    s.used = 0
    local head = redis.call('LINDEX', s.key, 0)
    if not head then return end
    local edge = now - s.window
    if tonumber(head) <= edge then
      -- The first entry that still counts, by bisection: one LTRIM instead of a pop for each.
      local low, high = 1, redis.call('LLEN', s.key)
      while low < high do
        local middle = math.floor((low + high) / 2)
        if tonumber(redis.call('LINDEX', s.key, middle)) <= edge then low = middle + 1 else high = middle end
      end
      redis.call('LTRIM', s.key, low, -1)
    end
    s.used = redis.call('LLEN', s.key)
  end

  function sliding.fits(s, hits) return s.used + s.taken + hits <= s.capacity end

  function sliding.save(s)
    -- A clock set back must not put a younger entry before an older one.
    local at = math.max(now, tonumber(redis.call('LINDEX', s.key, -1) or 0))
    local left = s.taken
    while left > 0 do
      local entries = {}
      for i = 1, math.min(left, 1000) do entries[i] = at end
      redis.call('RPUSH', s.key, unpack(entries))
      left = left - #entries
    end
    redis.call('PEXPIRE', s.key, math.ceil((at - now + s.window) / 1000) + grace)
    s.used = s.used + s.taken
  end

  function sliding.remaining(s) return s.capacity - s.used end

  local function frees(s, index)
    local at = redis.call('LINDEX', s.key, index)
    if not at then return 0 end
    return tonumber(at) + s.window - now
  end

  function sliding.reset(s) return frees(s, 0) end

  function sliding.retry(s, hits) return frees(s, s.used + hits - s.capacity - 1) end
  return sliding
end

-- Fixed window: "<number of the window since the epoch> <hits>".
function kinds.f()
  local fixed = {}

  function fixed.load(s)
    s.index, s.used = math.floor(now / s.window), 0
    local stored = redis.call('GET', s.key)
    if not stored then return end
    local index, used = string.match(stored, '^(%d+) (%d+)$')
    if tonumber(index) >= s.index then
      s.index, s.used = tonumber(index), tonumber(used)
    end
  end

  function fixed.fits(s, hits) return s.used + s.taken + hits <= s.capacity end

  function fixed.save(s)
    s.used = s.used + s.taken
    redis.call('SET', s.key, string.format('%.0f %.0f', s.index, s.used), 'PX', math.ceil(fixed.reset(s) / 1000) + 1 + grace)
  end

  function fixed.remaining(s) return s.capacity - s.used end

  function fixed.reset(s) return (s.index + 1) * s.window - now end

  function fixed.retry(s) return fixed.reset(s) end
  return fixed
end

-- GCRA: the theoretical arrival time of the next request (ITU-T I.371), in microseconds.
function kinds.g()
  local gcra = {}

  function gcra.load(s)
    s.tat = math.max(now, tonumber(redis.call('GET', s.key) or 0))
  end

  function gcra.fits(s, hits)
    return hits <= s.capacity and s.tat + (s.taken + hits) * s.interval - now <= s.capacity * s.interval
  end

  function gcra.save(s)
    s.tat = s.tat + s.taken * s.interval
    redis.call('SET', s.key, string.format('%.2f', s.tat), 'PX', math.ceil((s.tat - now) / 1000) + 1 + grace)
  end

  function gcra.remaining(s)
    if s.capacity == 0 then return 0 end
    return math.floor((s.capacity * s.interval - (s.tat - now)) / s.interval)
  end

  function gcra.reset(s)
    if s.tat <= now then return 0 end
    return (s.tat - now) - (s.capacity - gcra.remaining(s) - 1) * s.interval
  end

  function gcra.retry(s, hits) return s.tat + (hits - s.capacity) * s.interval - now end
  return gcra
end

clock.now, clock.grace = now, grace
local made = {}
local states, items, refused = {}, {}, false

for i, key in ipairs(KEYS) do
  local a = 3 + 6 * (i - 1)
  local letter = ARGV[a]
  local kind = made[letter]
  if not kind then
    kind = kinds[letter]()
    made[letter] = kind
  end
  local s = states[key]
  if not s then
    s = {key = key, kind = kind, taken = 0}
    states[key] = s
  end
  s.capacity, s.window, s.interval = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
  if not s.loaded then
    kind.load(s)
    s.loaded = true
  end
  local item = {state = s, hits = tonumber(ARGV[a + 4]), shadow = ARGV[a + 5] == '1'}
  item.allowed = kind.fits(s, item.hits)
  if item.allowed or (each and letter == 'f') then
    s.taken = s.taken + item.hits
    if kind.name then kind.name(s, ARGV[a + 3], item.hits) end
  elseif not item.shadow then
    refused = true
  end
  items[i] = item
end

for _, s in pairs(states) do
  if (refused and not each) or s.taken == 0 then s.taken = 0 else s.kind.save(s) end
end

local answer = {}
for _, item in ipairs(items) do
  local s = item.state
  local retry = 0
  if not item.allowed then
    retry = s.window
    if item.hits <= s.capacity then retry = math.max(0, math.min(s.window, s.kind.retry(s, item.hits))) end
  end
  answer[#answer + 1] = item.allowed and 1 or 0
  answer[#answer + 1] = math.max(0, s.kind.remaining(s))
  answer[#answer + 1] = math.max(0, math.ceil(s.kind.reset(s)))
  answer[#answer + 1] = math.ceil(retry)
end
return answer
