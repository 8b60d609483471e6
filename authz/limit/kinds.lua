-- The algorithms: what makes each, by its letter, so that a call makes only those that it needs. Each has load, fits,
-- save, remaining, reset and retry; those that slice.lua cuts slices of have back, too, which takes hits back that were
-- taken into that slice, or nothing where that can no longer be done exactly.
local kinds = {}
-- Of a slice that is being taken of a sliding window or GCRA: when it ends.
local cell

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
    -- A clock set back must not put a younger entry before an older one, nor one that is here one that a slice may yet use.
    local at = math.max(cell or now, tonumber(redis.call('LINDEX', s.key, -1) or 0))
    local left = s.taken
    while left > 0 do
      local entries = {}
      for i = 1, math.min(left, 1000) do entries[i] = at end
      redis.call('RPUSH', s.key, unpack(entries))
      left = left - #entries
    end
    redis.call('PEXPIRE', s.key, math.ceil((at - now + s.window) / 1000) + grace)
    s.used, s.index = s.used + s.taken, at
  end

  -- Which of the entries of that time go is all the same.
  function sliding.back(s, hits, index)
    if hits > s.used then return end
    if tonumber(redis.call('LINDEX', s.key, -hits)) == index and tonumber(redis.call('LINDEX', s.key, -1)) == index then
      redis.call('LTRIM', s.key, 0, -hits - 1)
      s.used = s.used - hits
    else
      s.used = s.used - redis.call('LREM', s.key, -hits, string.format('%.0f', index))
    end
  end

  function sliding.remaining(s) return s.capacity - s.used end

  local function frees(s, index)
    local at = redis.call('LINDEX', s.key, index)
    if not at then return 0 end
    return tonumber(at) + s.window - now
  end

  function sliding.reset(s) return frees(s, 0) end

  -- How much longer than a window something counts that a slice took.
  function sliding.late(s) return math.min(1000000, s.window / 50) end

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

  -- Never below what others have used: a counter that is gone, or smaller, lost its data.
  function fixed.back(s, hits, index)
    if index ~= s.index or hits > s.used then return end
    s.taken = -hits
    fixed.save(s)
  end

  function fixed.remaining(s) return s.capacity - s.used end

  function fixed.reset(s) return (s.index + 1) * s.window - now end

  function fixed.retry(s) return fixed.reset(s) end
  return fixed
end

-- GCRA: the theoretical arrival time of the next request (ITU-T I.371), in microseconds. What a slice takes is counted as
-- if it came when the slice ends: "<that time> <the end of the latest slices> <the time as it was before them>". What was
-- taken and not used can come back exactly while nobody came so late that without it the bucket would have been empty for
-- a while: then it is a plain number again, and what the slices left is lost until time has made it good. The last one is
-- less than 0 if that is so of the slices that ended one cell before.
function kinds.g()
  local gcra = {}

  function gcra.load(s)
    local stored = redis.call('GET', s.key) or '0'
    s.tat, s.index, s.before = tonumber(stored), 0, 0
    if not s.tat then
      local tat, index, before = string.match(stored, '^(%S+) (%S+) (%S+)$')
      s.tat, s.index, s.before = tonumber(tat), tonumber(index), tonumber(before)
    end
    if now > s.tat then s.tat, s.index, s.before = now, 0, 0 end
  end

  function gcra.fits(s, hits)
    return hits <= s.capacity and s.tat + (s.taken + hits) * s.interval - now <= s.capacity * s.interval
  end

  -- Until then nobody came too late.
  local function safe(s) return math.max(s.index, math.abs(s.before)) end

  function gcra.save(s)
    if not cell then
      if now > safe(s) then s.index, s.before = 0, 0 end
    elseif cell ~= s.index then
      local exact = s.index == cell - s.cell and now <= safe(s)
      s.tat, s.index, s.before = math.max(s.tat, cell), cell, exact and s.tat or -s.tat
    end
    s.tat = s.tat + s.taken * s.interval
    gcra.write(s)
  end

  function gcra.write(s)
    local stored = string.format('%.2f', s.tat)
    if s.index > 0 then stored = string.format('%.2f %.0f %.2f', s.tat, s.index, s.before) end
    redis.call('SET', s.key, stored, 'PX', math.max(0, math.ceil((s.tat - now) / 1000)) + 1 + grace)
  end

  function gcra.back(s, hits, index)
    local since, of = safe(s), hits * s.interval
    if s.index == 0 then return end
    if index == s.index and s.tat - of >= since then
      s.tat = s.tat - of
    elseif index == s.index - s.cell and s.before - of >= index and now <= math.max(s.index, s.before - of) then
      s.before = s.before - of
      s.tat = s.tat - since + safe(s)
    else
      return
    end
    gcra.write(s)
  end

  -- The time that is withheld from who comes before a slice ends, while nobody but its holder has.
  function gcra.withheld(s) return math.max(0, s.index - math.max(math.abs(s.before), now)) end

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

-- Two buckets: "<number of the window since the epoch> <hits in it> <hits in the one before>". The window before
-- counts by the share of it that the sliding window still covers, as if its hits had come evenly.
function kinds.t()
  local buckets = {}

  function buckets.load(s)
    s.index, s.cur, s.prev = math.floor(now / s.window), 0, 0
    local stored = redis.call('GET', s.key)
    if not stored then return end
    local index, cur, prev = string.match(stored, '^(%d+) (%d+) (%d+)$')
    index, cur, prev = tonumber(index), tonumber(cur), tonumber(prev)
    if index >= s.index then
      s.index, s.cur, s.prev = index, cur, prev
    elseif index == s.index - 1 then
      s.prev = cur
    end
  end

  -- Us since the window began; 0 for a clock that was set back.
  local function into(s) return math.max(0, now - s.index * s.window) end

  local function before(s) return math.ceil(s.prev * (s.window - into(s)) / s.window) end

  function buckets.fits(s, hits) return before(s) + s.cur + s.taken + hits <= s.capacity end

  function buckets.save(s)
    s.cur = s.cur + s.taken
    redis.call('SET', s.key, string.format('%.0f %.0f %.0f', s.index, s.cur, s.prev), 'PX',
      math.ceil((2 * s.window - into(s)) / 1000) + 1 + grace)
  end

  function buckets.back(s, hits, index)
    s.taken = 0
    if index == s.index and hits <= s.cur then
      s.taken = -hits
    elseif index == s.index - 1 and hits <= s.prev then
      s.prev = s.prev - hits
    else
      return
    end
    buckets.save(s)
  end

  function buckets.remaining(s) return s.capacity - before(s) - s.cur end

  function buckets.reset(s)
    if before(s) > 0 then
      return s.window - into(s) - math.floor((before(s) - 1) * s.window / s.prev)
    end
    return s.cur > 0 and s.window - into(s) + math.ceil(s.window / s.cur) or 0
  end

  function buckets.retry(s, hits)
    local room = s.capacity - hits - s.cur
    if room >= 0 then return s.window - into(s) - math.floor(room * s.window / s.prev) end
    return 2 * s.window - into(s) - math.floor((s.capacity - hits) * s.window / s.cur)
  end
  return buckets
end

-- Concurrency: a sorted set of the places taken, by the time in us when each ends by itself. A place is called by the
-- request's id, which the caller passes as the interval, and its number among the request's hits.
function kinds.c()
  local holds = {}

  function holds.load(s)
    redis.call('ZREMRANGEBYSCORE', s.key, '-inf', string.format('%.0f', now))
    s.used, s.names = redis.call('ZCARD', s.key), {}
  end

  function holds.fits(s, hits) return s.used + s.taken + hits <= s.capacity end

  function holds.name(s, id, hits)
    for i = 1, hits do s.names[#s.names + 1] = id .. ':' .. i end
  end

  function holds.save(s)
    local till = string.format('%.0f', now + s.window)
    for _, name in ipairs(s.names) do redis.call('ZADD', s.key, till, name) end
    -- At least as long as the places that are there: a limit that was edited may have a shorter window.
    local rest = math.max(redis.call('PTTL', s.key) - grace, math.ceil(s.window / 1000) + 1)
    redis.call('PEXPIRE', s.key, rest + grace)
    s.used = s.used + s.taken
  end

  function holds.remaining(s) return s.capacity - s.used end

  -- Us until so many places have ended by themselves.
  local function ends(s, places)
    local at = redis.call('ZRANGE', s.key, places - 1, places - 1, 'WITHSCORES')[2]
    if not at then return 0 end
    return math.max(0, tonumber(at) - now)
  end

  function holds.reset(s) return ends(s, 1) end

  function holds.retry(s, hits) return ends(s, s.used + hits - s.capacity) end
  return holds
end

-- Quota: "<end of the period in us> <hits>"; the caller knows the calendar, and passes the end as the interval.
function kinds.q()
  local quota = {}

  function quota.load(s)
    s.ends, s.used = s.interval, 0
    local stored = redis.call('GET', s.key)
    if not stored then return end
    local ends, used = string.match(stored, '^(%d+) (%d+)$')
    -- The later one: a caller whose clock is behind counts against the period that has begun.
    if tonumber(ends) >= s.ends then s.ends, s.used = tonumber(ends), tonumber(used) end
  end

  function quota.fits(s, hits) return s.used + s.taken + hits <= s.capacity end

  function quota.save(s)
    s.used = s.used + s.taken
    redis.call('SET', s.key, string.format('%.0f %.0f', s.ends, s.used), 'PX',
      math.max(0, math.ceil((s.ends - now) / 1000)) + 60000 + grace)
  end

  function quota.remaining(s) return s.capacity - s.used end

  function quota.reset(s) return s.ends - now end

  function quota.retry(s) return quota.reset(s) end
  return quota
end
