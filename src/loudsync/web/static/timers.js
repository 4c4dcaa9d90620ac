// A worker that keeps time: a hidden page's own timers run about once a minute.
onmessage = ({ data: ms, ports: [port] }) => {
  setTimeout(() => port.postMessage(null), ms);
};
