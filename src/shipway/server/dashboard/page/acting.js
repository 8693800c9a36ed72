// A button: what will happen is said first, then it is done, then what came of it is said.
import { put } from "./live.js";

const dialog = document.getElementById("ask");
const field = document.getElementById("ask-field");
const input = document.getElementById("ask-input");

export function say(text, isWrong = false) {
  const said = document.getElementById("said");
  said.textContent = text;
  said.className = isWrong ? "wrong" : "";
}

/** What a button of a Rollout does. */
export async function act(button, info) {
  const { verb } = button.dataset;
  const { namespace, name } = info.objectMeta;
  const wanted = verb === "set-image" ? await imageOf(button, info) : await agreed(info.shipway.choices.find((one) => one.verb === verb));
  if (wanted) await send(wanted, `api/v1/rollouts/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`);
}

/** Says what the choice would bring about and asks why; the choice, or null where somebody thinks better of it. */
export async function agreed(choice) {
  if (!choice.reason) return (await confirmed(choice.label, choice.says)) ? choice : null;
  const isRequired = choice.reason === "required";
  if (!(await confirmed(choice.label, choice.says, isRequired ? "Why" : "Why (optional)", "", isRequired))) return null;
  return { ...choice, body: { ...choice.body, reason: input.value.trim() } };
}

/** Does what was chosen to the object at that address, and says what came of it. */
export async function send(choice, address) {
  try {
    await put(`${address}/${choice.path}`, choice.body);
    say(`${choice.label}: done`);
  } catch (error) {
    say(`${choice.label}: ${error.message}`, true);
  }
}

async function imageOf(button, info) {
  const { container, image } = button.dataset;
  const says = `${info.objectMeta.name} begins an update of ${container} by its steps. What Git says stays as it is.`;
  if (!(await confirmed("Set image", says, `Image of ${container}`, image))) return null;
  const [, path, tag] = /^(.+):([^:/]+)$/.exec(input.value.trim()) ?? [];
  if (!path) {
    say("Set image: write it with a tag or a digest, like registry/web:1.2", true);
    return null;
  }
  const parts = [container, ...path.split("/"), tag].map(encodeURIComponent);
  return { label: "Set image", path: `set/${parts.join("/")}`, body: {} };
}

function confirmed(title, says, label = "", value = "", isRequired = false) {
  document.getElementById("ask-title").textContent = title;
  document.getElementById("ask-says").textContent = says;
  document.getElementById("ask-yes").textContent = title;
  field.hidden = !label;
  field.firstElementChild.textContent = label;
  input.value = value;
  input.required = isRequired;
  dialog.returnValue = "no";
  dialog.showModal();
  if (label) input.select();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}
