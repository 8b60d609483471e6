-- What most exact calls are: GCRA limits of different counters, all of which admit. The arithmetic is that of kinds.g;
-- what is anything else, nothing has been written of, and the text after this one decides it. The arguments are those of
-- limit.lua.
local function quickly()
  if ARGV[2] == 'each' then return nil end
  local tats, known = {}, {}
  for i, key in ipairs(KEYS) do
    local a = 3 + 6 * (i - 1)
    local capacity, interval, hits = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
    if ARGV[a] ~= 'g' or known[key] or capacity == 0 then return nil end
    local stored = tonumber(redis.call('GET', key) or 0)
    if not stored then return nil end -- slices are out
    local tat = math.max(now, stored) + hits * interval
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

