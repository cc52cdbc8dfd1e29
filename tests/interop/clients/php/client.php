<?php
// AsyncAws, with its default chain as a client has it: client.php FOLDER N INTERVAL_MS, where FOLDER holds the unpacked packages of Debian.
set_include_path("$argv[1]/usr/share/php");
error_reporting(E_ALL & ~E_DEPRECATED);
require "AsyncAws/Core/autoload.php";

use AsyncAws\Core\Configuration;
use AsyncAws\Core\Credentials\CacheProvider;
use AsyncAws\Core\Credentials\ChainProvider;

$provider = new CacheProvider(ChainProvider::createDefaultChain());
$configuration = Configuration::create([]);
for ($left = $argv[2] - 1; $left >= 0; $left--) {
    $start = microtime(true);
    $line = ["version" => getenv("ASYNC_AWS_VERSION")];
    try {
        $found = $provider->getCredentials($configuration);
        if ($found === null) {
            throw new Exception("the chain has no credentials");
        }
        $line += ["ak" => $found->getAccessKeyId(), "sk" => $found->getSecretKey(), "st" => $found->getSessionToken()];
        if ($found->getExpireDate() !== null) {
            $line["exp"] = gmdate("Y-m-d\TH:i:s\Z", $found->getExpireDate()->getTimestamp());
        }
    } catch (Throwable $error) {
        $line["err"] = get_class($error) . ": " . $error->getMessage();
    }
    $line["ms"] = (int)((microtime(true) - $start) * 1000);
    echo json_encode($line, JSON_INVALID_UTF8_SUBSTITUTE), "\n";
    if ($left > 0) {
        usleep($argv[3] * 1000);
    }
}
