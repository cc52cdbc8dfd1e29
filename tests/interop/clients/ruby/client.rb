# The AWS SDK for Ruby: the credentials of one client of STS that is made without options, and so has the default chain.
# client.rb FOLDER N INTERVAL_MS: FOLDER holds the unpacked packages of Debian.
require "json"
packages = ARGV.shift
$LOAD_PATH.unshift(*Dir["#{packages}/usr/share/rubygems-integration/all/gems/*/lib"], "#{packages}/usr/lib/ruby/vendor_ruby")
require "aws-sdk-core"

def resolved(client)
  provider = client.config.credentials or raise "no credentials provider"
  found = provider.credentials
  raise "empty credentials" if found.nil? || found.access_key_id.nil?
  ends = provider.respond_to?(:expiration) ? provider.expiration : nil
  {ak: found.access_key_id, sk: found.secret_access_key, st: found.session_token, exp: ends&.utc&.strftime("%Y-%m-%dT%H:%M:%SZ")}.compact
end

$stdout.sync = true
times, interval_s = ARGV[0].to_i, ARGV[1].to_i / 1000.0
client = nil
times.times do |i|
  sleep interval_s if i > 0
  start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  line = {version: Aws::CORE_GEM_VERSION}
  begin
    client ||= Aws::STS::Client.new
    line.update(resolved(client))
  rescue StandardError => error
    line[:err] = "#{error.class}: #{error.message}"
  end
  line[:ms] = ((Process.clock_gettime(Process::CLOCK_MONOTONIC) - start) * 1000).to_i
  puts JSON.generate(line)
end
