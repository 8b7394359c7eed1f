"""A client of another library, run by a Python that has it: fastmcp_peer.py PROMPT COMMAND..."""

import asyncio
import json
import os
import sys
from pathlib import Path

from fastmcp import Client
from fastmcp.client.transports import StdioTransport


async def main(prompt: str, command: str, *arguments: str) -> dict[str, object]:
    told: list[str | None] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append(message)

    transport = StdioTransport(command, list(arguments), env=dict(os.environ))
    async with Client(transport, roots=[Path.cwd().as_uri()], progress_handler=progress) as client:
        made = await client.call_tool("generate", {"prompt": prompt})
        result = made.structured_content
        report = await client.read_resource(result["report"])
        refused = await client.call_tool("verify", {"path": ".."}, raise_on_error=False)
    return {
        "outcome": result["outcome"],
        "run_id": result["run_id"],
        "progress": len(told),
        "report": json.loads(report[0].text),
        "refusal": refused.content[0].text,
    }


sys.stdout.write(json.dumps(asyncio.run(main(*sys.argv[1:]))))
