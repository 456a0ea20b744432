// What the server answers. The token of the page goes with each request.

export const meta = (name) => document.querySelector(`meta[name="${name}"]`).content;

const token = encodeURIComponent(meta("token"));

/** Asks for something by its name; throws an Error with words for people. */
export async function ask(name, body) {
  let response;
  try {
    response = await fetch(`api/${name}?token=${token}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("The playground has ended. Start it again, and open the URL it prints.");
  }
  let answer;
  try {
    answer = await response.json();
  } catch {
    throw new Error(`The playground did not answer (status ${response.status}).`);
  }
  if (!response.ok) throw new Error(answer.error);
  return answer;
}
