// A page whose phone signs in by itself, as those of an application do, each time it is loaded. What it is to do stands in
// its address: attributes and account as JSON, what the microphone hears, and the error that there is in its place.
const told = new URLSearchParams(location.search);
probe.source = told.get("source");
probe.microphoneError = told.get("error");
const phone = probe.make(JSON.parse(told.get("attributes") ?? "{}"));
if (told.has("account")) phone.account = JSON.parse(told.get("account"));
