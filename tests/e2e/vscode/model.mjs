// A model that knows one task by heart, behind OpenAI's protocol on the loopback: its first program
// is wrong by one, its correction is right. With "twice" in the prompt there is a second mistake, which
// takes a second correction; "slowly" makes it dawdle, to be stopped.
import http from 'node:http';

export const PROMPT =
  'Write moving_average(values, window), the mean of each window of neighbours. ' +
  'moving_average([1, 2, 3, 4], 2) == [1.5, 2.5, 3.5]. A window below 1 raises ValueError.';
/** The example is given, so the test filter cannot overrule the test that finds the second mistake. */
export const WRONG_TWICE = `${PROMPT} Be wrong twice. moving_average([3, 5], 1) == [3, 5].`;
export const WRONG = 'range(len(values) - window)';
export const RIGHT = 'range(len(values) - window + 1)';

const means = (divisor, range) => `    return [sum(values[i : i + window]) / ${divisor} for i in ${range}]`;

const program = (divisor) => `def moving_average(values: list[float], window: int) -> list[float]:
    """The mean of each window of neighbours."""
    if window < 1:
        raise ValueError("the window must be at least 1")
${means(divisor, WRONG)}
`;

const TESTS = `import pytest

from generated_code import moving_average


def test_pairs():
    assert moving_average([1, 2, 3, 4], 2) == [1.5, 2.5, 3.5]


def test_window_of_one_keeps_the_values():
    assert moving_average([3, 5], 1) == [3, 5]


def test_whole_list_is_one_window():
    assert moving_average([2, 4, 6], 3) == [4]


def test_window_below_one_is_refused():
    with pytest.raises(ValueError):
        moving_average([1, 2], 0)
`;

const SPEC = `## Signatures
- moving_average(values: list[float], window: int) -> list[float]
## Behaviours
- Returns the mean of each window of neighbours, in order.
## Edge cases
- A window below 1 raises ValueError.
## Assumptions
- The window is not longer than the list.
`;

const fix = (why, before, after) => `${why}

\`\`\`diff
--- a/generated_code.py
+++ b/generated_code.py
@@
-${before}
+${after}
\`\`\`
`;

function correction(text) {
  const divisor = text.includes(' / 2 for') ? '2' : 'window';
  return text.includes(WRONG)
    ? fix('The range ends one window too early, so the last mean is missing.', means(divisor, WRONG), means(divisor, RIGHT))
    : fix('The sum is halved, whatever the window.', means('2', RIGHT), means('window', RIGHT));
}

/** Programs that were written apart differ at an underscore, so that only the user can say what is right. */
export const DIVIDED = 'Write slugify(text), which puts text into lower case, its words joined by hyphens.';
const SLUGS = ['text.lower().split()', 'text.lower().replace("_", " ").split()'];
let slugs = 0;

function divided(system) {
  if (/assert|tester|test cases/.test(system)) return fenced("assert slugify('A B_c') == 'a-b_c'\n");
  return fenced(`def slugify(text):\n    return "-".join(${SLUGS[slugs++ % 2]})\n`);
}

/** Both files of a small project are wrong: the operation, and the reduced rate. */
const PROJECT_PATCH = `The price is a product, and there is a reduced rate.

src/shop/prices.py
<<<<<<< SEARCH
    return value - rate(kind)
=======
    return value * rate(kind)
>>>>>>> REPLACE

src/shop/rates.py
<<<<<<< SEARCH
    return RATE if kind == "full" else 0
=======
    return RATE if kind == "full" else 3
>>>>>>> REPLACE
`;

/** The edit that makes one text of the other: the lines from the first that differs to the last, with their neighbours. */
export function searchBlock(file, before, after) {
  const [old, now] = [before.split('\n'), after.split('\n')];
  let first = 0;
  while (old[first] === now[first]) first++;
  let same = 0;
  while (same < Math.min(old.length, now.length) - first && old.at(-1 - same) === now.at(-1 - same)) same++;
  const part = (lines) => lines.slice(Math.max(0, first - 3), lines.length - Math.max(0, same - 3)).join('\n');
  return `${file}\n<<<<<<< SEARCH\n${part(old)}\n=======\n${part(now)}\n>>>>>>> REPLACE\n`;
}

/** Which agent asks, by the words of its own system message; which file, by those of the user's. */
function reply(system, user, projectPatch) {
  if (user.includes('slugify')) return divided(system);
  const [, module = 'generated_code'] = /(?:module|program) `(\w+)/.exec(user) ?? [];
  if (user.includes('This test of a project fails')) return projectPatch;
  if (/debugger/.test(system)) return correction(user).replaceAll('generated_code', module);
  if (/tester|test cases/.test(system)) return fenced(TESTS.replaceAll('generated_code', module));
  if (/analyse/.test(system)) return SPEC;
  return fenced(program(/twice/.test(user) ? '2' : 'window'));
}

const fenced = (code) => `\`\`\`python\n${code}\`\`\`\n`;

export async function startModel(projectPatch = PROJECT_PATCH) {
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { messages } = JSON.parse(Buffer.concat(chunks).toString());
    const text = reply(messages[0].content, messages[1].content, projectPatch);
    const slow = messages.some(({ content }) => content.includes('slowly'));
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const send = (data) => response.write(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
    for (const piece of text.match(/[\s\S]{1,16}/g)) {
      if (response.destroyed) return;
      send({ choices: [{ index: 0, delta: { content: piece } }] });
      if (slow) await new Promise((resolve) => setTimeout(resolve, 500));
    }
    send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    send({ choices: [], usage: { prompt_tokens: 100, completion_tokens: Math.ceil(text.length / 4) } });
    send('[DONE]');
    response.end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}/v1`;
  return {
    url,
    name: `openai:scripted@${url}`,
    /** The name of a small model, of which four programs are asked. */
    small: `openai:scripted-1.5b@${url}`,
    stop: () => new Promise((resolve) => {
      server.closeAllConnections();
      server.close(resolve);
    }),
  };
}
