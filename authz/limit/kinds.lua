-- Further algorithms of limit.lua, which tells them the time. This text goes before it.
local clock = {}
-- What makes each algorithm, by its letter: a call makes only those that it needs.
local kinds = {}

-- Two buckets: "<number of the window since the epoch> <hits in it> <hits in the one before>". The window before
-- counts by the share of it that the sliding window still covers, as if its hits had come evenly.
function kinds.t()
  local buckets = {}

  function buckets.load(s)
    s.index, s.cur, s.prev = math.floor(clock.now / s.window), 0, 0
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
  local function into(s) return math.max(0, clock.now - s.index * s.window) end

  local function before(s) return math.ceil(s.prev * (s.window - into(s)) / s.window) end

  function buckets.fits(s, hits) return before(s) + s.cur + s.taken + hits <= s.capacity end

  function buckets.save(s)
    s.cur = s.cur + s.taken
    redis.call('SET', s.key, string.format('%.0f %.0f %.0f', s.index, s.cur, s.prev), 'PX',
      math.ceil((2 * s.window - into(s)) / 1000) + 1 + clock.grace)
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
    redis.call('ZREMRANGEBYSCORE', s.key, '-inf', string.format('%.0f', clock.now))
    s.used, s.names = redis.call('ZCARD', s.key), {}
  end

  function holds.fits(s, hits) return s.used + s.taken + hits <= s.capacity end

  function holds.name(s, id, hits)
    for i = 1, hits do s.names[#s.names + 1] = id .. ':' .. i end
  end

  function holds.save(s)
    local till = string.format('%.0f', clock.now + s.window)
    for _, name in ipairs(s.names) do redis.call('ZADD', s.key, till, name) end
    -- At least as long as the places that are there: a limit that was edited may have a shorter window.
    local rest = math.max(redis.call('PTTL', s.key) - clock.grace, math.ceil(s.window / 1000) + 1)
    redis.call('PEXPIRE', s.key, rest + clock.grace)
    s.used = s.used + s.taken
  end

  function holds.remaining(s) return s.capacity - s.used end

  -- Us until so many places have ended by themselves.
  local function ends(s, places)
    local at = redis.call('ZRANGE', s.key, places - 1, places - 1, 'WITHSCORES')[2]
    if not at then return 0 end
    return math.max(0, tonumber(at) - clock.now)
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
      math.max(0, math.ceil((s.ends - clock.now) / 1000)) + 60000 + clock.grace)
  end

  function quota.remaining(s) return s.capacity - s.used end

  function quota.reset(s) return s.ends - clock.now end

  function quota.retry(s) return quota.reset(s) end
  return quota
end
