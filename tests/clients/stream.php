<?php
// PHP's two ways to read a stream: curl, and a file that is a URL. Prints the text and the names.
$given = json_decode($argv[1], true);
$url = "{$given['url']}/v1/agents/{$given['agent']}/chat";
$headers = ["Authorization: Bearer {$given['key']}", 'Content-Type: application/json'];
$body = json_encode(['message' => $given['message'], 'stream' => true]);
$rest = '';
$name = '';
$seen = ['text' => '', 'events' => []];

function take(string $piece): void
{
    global $rest, $name, $seen;
    $lines = explode("\n", $rest . $piece);
    $rest = array_pop($lines);
    foreach ($lines as $line) {
        if (str_starts_with($line, 'event: ')) {
            $name = substr($line, 7);
        } elseif (str_starts_with($line, 'data: ')) {
            $data = json_decode(substr($line, 6), true, 512, JSON_THROW_ON_ERROR);
            $seen['events'][] = $name;
            $seen['text'] .= $data['text'] ?? '';
        }
    }
}

if ($given['use'] === 'curl') {
    $curl = curl_init($url);
    curl_setopt_array($curl, [
        CURLOPT_POSTFIELDS => $body,
        CURLOPT_HTTPHEADER => $headers,
        CURLOPT_WRITEFUNCTION => function ($curl, string $piece): int {
            take($piece);
            return strlen($piece);
        },
    ]);
    if (!curl_exec($curl)) {
        fwrite(STDERR, curl_error($curl));
        exit(1);
    }
} else {
    $http = ['method' => 'POST', 'header' => $headers, 'content' => $body];
    $stream = fopen($url, 'r', false, stream_context_create(['http' => $http]));
    while (($line = fgets($stream)) !== false) {
        take($line);
    }
}
echo json_encode($seen);
