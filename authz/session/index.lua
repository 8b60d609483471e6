-- Enters a session into its user's index, and drops from it what is past its absolute limit.
-- KEYS[1] the index   ARGV[1] now, [2] the session's absolute limit, [3] its id, [4] ms beyond it; all in ms
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
-- An older session may outlive this one.
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if last[2] then redis.call('PEXPIRE', KEYS[1], tonumber(last[2]) - tonumber(ARGV[1]) + tonumber(ARGV[4])) end
return 1
