// Lets every encoded frame through and shows none.
self.onrtctransform = ({ transformer: { readable, writable } }) => readable.pipeTo(writable);
